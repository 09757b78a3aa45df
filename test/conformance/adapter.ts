/** The contract of an adapter, as one suite that each adapter's own test calls. */
import { describe, expect, test } from 'vitest'
import { type Adapter, type BackgroundTasks, type Call, createBackgroundTasks, type Delivery } from '../../src/index.ts'
import { ok, turn } from '../_wrapped.ts'

export interface Host {
  /** What this host passes after the request. Fresh for each call. */
  platform?: () => unknown[]
  request?: () => Request
  /** Lets the response of that call leave, where the host is not a real one. */
  finish?: (platform: any[]) => void
  /** What the host then says. */
  delivery: Delivery
}

export function testAdapter(
  adapter: Adapter,
  { platform = () => [], request, finish = () => {}, delivery }: Host,
): void {
  const callOf = (arguments_: unknown[]): Call => ({
    request: request?.() ?? new Request('http://localhost/'),
    platform: arguments_,
    tasks: createBackgroundTasks({ adapter }).open().tasks,
    start: 'auto',
  })

  describe(`the adapter contract: ${adapter.name}`, () => {
    test('has a name, and a reason of at least three words for each thing the host cannot do', () => {
      expect(adapter.name).toMatch(/^[a-z-]+$/)
      for (const reason of Object.values(adapter.lacks ?? {})) expect(reason.split(' ').length).toBeGreaterThan(3)
    })

    test('matches without a throw, whatever the call', () => {
      for (const arguments_ of [platform(), [], [undefined], [null, 1, 'x', {}], [{ outgoing: 'env', res: 1 }]]) {
        expect(() => adapter.matches?.(callOf(arguments_))).not.toThrow()
      }
      if (adapter.matches) expect(adapter.matches(callOf(platform()))).toBe(true)
    })

    test('calls start exactly once, in a later macrotask than the one the handler returned in', async () => {
      const deliveries: Delivery[] = []
      const arguments_ = platform()
      const started = new Promise<void>((resolve) => {
        const start = (how: Delivery): void => {
          deliveries.push(how)
          resolve()
        }
        expect(adapter.afterResponse(start, callOf(arguments_), ok())).toBe(undefined)
      })
      finish(arguments_)
      for (let i = 0; i < 20; i++) await Promise.resolve()
      expect(deliveries, 'not in this turn').toEqual([])
      await started
      await turn()
      expect(deliveries).toEqual([delivery])
    })

    test('starts without a response to look at, as when the handler threw', async () => {
      const arguments_ = platform()
      const started = new Promise<Delivery>((resolve) => adapter.afterResponse(resolve, callOf(arguments_), undefined))
      finish(arguments_)
      expect(await started).toBe(delivery)
    })

    test('keeps the host with a promise, or not at all, and runs the tasks', async () => {
      const background = createBackgroundTasks({ adapter })
      const arguments_ = platform()
      const { tasks, settle } = background.open({ request: new Request('http://localhost/'), platform: arguments_ })
      let ran = 0
      tasks.add(() => ran++)
      await settle(ok())
      expect(ran).toBe(0)
      finish(arguments_)
      expect((await background.drain()).succeeded).toBe(1)
      expect(ran).toBe(1)
    })

    test('never throws because a host object is missing', async () => {
      const background = createBackgroundTasks({ adapter })
      const { tasks, settle } = background.open()
      const run = (list: BackgroundTasks): void => list.add(() => {})
      run(tasks)
      await settle(ok())
      expect((await background.drain()).succeeded).toBe(1)
    })
  })
}
