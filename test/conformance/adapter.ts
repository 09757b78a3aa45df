/** The contract of an adapter, as one suite that each adapter's own test calls. */
import { describe, expect, test } from 'vitest'
import { type Adapter, type Call, createBackgroundTasks, type Delivery } from '../../src/index.ts'
import { ok, turn } from '../_wrapped.ts'

export interface Host {
  /** What this host passes after the request. Fresh for each call. */
  platform?: () => unknown[]
  /** Lets the response of that call leave, where the host is not a real one. */
  finish?: (platform: any[]) => void
  /** What the host then says. */
  delivery: Delivery
  /** Whether the adapter can tell its host by such a call; not so where the host is known by a global. */
  matches?: boolean
  /** Whether the response waits for the tasks, where the host is frozen after it. */
  waits?: boolean
}

export function testAdapter(
  adapter: Adapter,
  { platform = () => [], finish = () => {}, delivery, matches = true, waits = false }: Host,
): void {
  const callOf = (arguments_: unknown[], request = new Request('http://localhost/')): Call => ({
    request,
    platform: arguments_,
    tasks: createBackgroundTasks({ adapter }).open().tasks,
    start: 'auto',
  })

  /** What the adapter answers, and what it tells, in order; the response leaves when `finish` is called. */
  function leaving(response: Response | undefined) {
    const arguments_ = platform()
    const deliveries: Delivery[] = []
    let started!: () => void
    const told = new Promise<void>((resolve) => {
      started = resolve
    })
    const start = (how: Delivery): void => {
      deliveries.push(how)
      started()
    }
    const answer = adapter.afterResponse(start, callOf(arguments_), response)
    return { answer, deliveries, told, finish: () => finish(arguments_) }
  }

  describe(`the adapter contract: ${adapter.name}`, () => {
    test('has a name, and a reason of at least four words for each thing the host cannot do', () => {
      expect(adapter.name).toMatch(/^[a-z-]+$/)
      for (const reason of Object.values(adapter.lacks ?? {})) expect(reason.split(' ').length).toBeGreaterThan(3)
    })

    test('says that the host is not kept alive exactly where it does not do that', () => {
      if (adapter.lacks) expect('keepAlive' in adapter.lacks).toBe(adapter.keepAlive === undefined)
    })

    test('tells its host by the call, and never throws whatever the call', () => {
      const hostile = {
        get outgoing() {
          throw new Error('host')
        },
      }
      for (const arguments_ of [[], [undefined], [null, 1, 'x', {}], [{ outgoing: 'env', res: 1 }], [hostile]]) {
        expect(() => adapter.matches?.(callOf(arguments_))).not.toThrow()
      }
      if (adapter.matches) expect(adapter.matches(callOf(platform()))).toBe(matches)
    })

    test('calls start not in the turn in which the response left, but in a later one', async () => {
      const { deliveries, told, finish } = leaving(ok())
      for (let i = 0; i < 20; i++) await Promise.resolve()
      expect(deliveries, 'not in the turn in which the handler returned').toEqual([])
      finish()
      for (let i = 0; i < 20; i++) await Promise.resolve()
      expect(deliveries, "not in the turn of the host's own signal").toEqual([])
      await told
      expect(deliveries).toEqual([delivery])
    })

    test('calls start exactly once, also where the host says twice that the response has left', async () => {
      const { deliveries, told, finish } = leaving(ok())
      finish()
      await told
      finish()
      for (let i = 0; i < 5; i++) await turn()
      expect(deliveries).toEqual([delivery])
    })

    test('calls start without a response to look at, as when the handler threw', async () => {
      const { answer, deliveries, told, finish } = leaving(undefined)
      expect(await answer).toBe(undefined)
      finish()
      await told
      expect(deliveries).toEqual([delivery])
    })

    test('does not touch the body of an ordinary response, nor replace it', async () => {
      const response = ok()
      Object.defineProperty(response, 'body', { get: () => expect.fail('body was read') })
      const { answer, told, finish } = leaving(response)
      expect((await answer) ?? response).toBe(response)
      finish()
      await told
    })

    test('keeps status, statusText, headers and bytes of a response that streams', async () => {
      const headers = [
        ['content-type', 'text/event-stream'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ] satisfies [string, string][]
      const original = new Response('data: x\n\n', { status: 201, statusText: 'Made', headers })
      const { answer, told, finish } = leaving(original)
      const response = (await answer) ?? original
      expect([response.status, response.statusText, [...response.headers]]).toEqual([201, 'Made', headers])
      expect(await response.text()).toBe('data: x\n\n')
      finish()
      await told
    })

    test.each<[string, unknown[] | undefined]>([
      ['with all that the host passes', undefined],
      ['with nothing of what the host passes', []],
    ])('runs the tasks %s', async (_name, given) => {
      const background = createBackgroundTasks({ adapter })
      const arguments_ = given ?? platform()
      const { tasks, settle } = background.open({ request: new Request('http://localhost/'), platform: arguments_ })
      let ran = 0
      tasks.add(() => ran++)
      await settle(ok())
      expect(ran).toBe(waits ? 1 : 0)
      if (!given) finish(arguments_)
      expect((await background.drain()).succeeded).toBe(waits ? 0 : 1)
      expect(ran).toBe(1)
    })
  })
}
