import { AsyncLocalStorage } from 'node:async_hooks'
import { type Channel, channel } from 'node:diagnostics_channel'
import { afterEach, expect, test, vi } from 'vitest'
import { diagnosticsChannel } from '../../../adapters/observers/diagnostics-channel.ts'
import { defineTask, type TaskEvent } from '../../../src/index.ts'
import { deferred, ok, turn, wrapped } from '../../_wrapped.ts'
import { runOn, runtimes } from './_everywhere.ts'

const types = ['added', 'started', 'retrying', 'succeeded', 'failed', 'discarded', 'abandoned'] as const
const channelOf = (type: TaskEvent['type']): Channel => channel(`background-tasks.${type}`)

const cleanups: (() => void)[] = []

/** Listens to a channel until the end of the test. */
function listen(type: TaskEvent['type'], listener: (event: TaskEvent) => void): void {
  const onMessage = (message: unknown): void => listener(message as TaskEvent)
  channelOf(type).subscribe(onMessage)
  cleanups.push(() => channelOf(type).unsubscribe(onMessage))
}

afterEach(() => {
  vi.restoreAllMocks()
  for (const cleanup of cleanups.splice(0)) cleanup()
})

/** Every type of event, each with its channel, in the order of arrival. */
function listenToAll(): [channel: string, event: TaskEvent][] {
  const log: [string, TaskEvent][] = []
  for (const type of types) listen(type, (event) => log.push([type, event]))
  return log
}

const flaky = defineTask({
  name: 'flaky',
  retry: { attempts: 2, delayMs: 0 },
  run: (_input: undefined, { attempt }) => {
    if (attempt === 1) throw new Error('not yet')
  },
})

test('every type of event has its channel, and its message is the event', async () => {
  const log = listenToAll()
  const hang = deferred()
  const { call, handler } = wrapped(
    (tasks) => {
      tasks.add(flaky)
      tasks.add(function fails() {
        throw new Error('no')
      })
      tasks.add(() => hang.promise)
      tasks.add(function cleared() {})
      return ok()
    },
    { observer: diagnosticsChannel(), concurrency: 4 },
  )
  const { handler: throwing, call: callThrowing } = wrapped(
    (tasks) => {
      tasks.add(function unlucky() {})
      throw new Error('handler')
    },
    { observer: diagnosticsChannel() },
  )
  await call()
  expect(callThrowing).toThrow('handler')
  while (!log.some(([type]) => type === 'failed') || !log.some(([type]) => type === 'succeeded')) await turn()
  await handler.drain({ timeoutMs: 0 })
  await throwing.drain()
  for (const [type, event] of log) expect(event.type).toBe(type)
  expect(new Set(log.map(([type]) => type))).toEqual(new Set(types))
  const [, failed] = log.find(([type]) => type === 'failed') ?? []
  expect(failed).toMatchObject({ task: { name: 'fails' }, attempt: 1, error: new Error('no'), delivery: 'returned' })
})

test('nothing is published on a channel without a subscriber', async () => {
  const published = types.map((type) => vi.spyOn(channelOf(type), 'publish'))
  const { call, handler } = wrapped(
    (tasks) => {
      tasks.add(ok)
      return ok()
    },
    { observer: diagnosticsChannel() },
  )
  await call()
  await handler.drain()
  for (const publish of published) expect(publish).not.toHaveBeenCalled()
})

test('a subscriber may come after the observer was made, and leave again', async () => {
  const { call, handler } = wrapped(
    (tasks) => {
      tasks.add(ok)
      return ok()
    },
    { observer: diagnosticsChannel() },
  )
  const log: string[] = []
  const once = (): void => {
    log.push('added')
    channelOf('added').unsubscribe(once)
  }
  channelOf('added').subscribe(once)
  await call()
  await call()
  await handler.drain()
  expect(log).toEqual(['added'])
})

test('subscribers are called at once, in the async context of the `add` call', async () => {
  const storage = new AsyncLocalStorage<string>()
  const stores: unknown[] = []
  for (const type of ['added', 'started', 'succeeded'] as const) listen(type, () => stores.push(storage.getStore()))
  const { call, handler } = wrapped(
    (tasks) => {
      storage.run('of add', () => tasks.add(ok))
      expect(stores).toEqual(['of add'])
      return ok()
    },
    { observer: diagnosticsChannel() },
  )
  await call()
  await handler.drain()
  expect(stores).toEqual(['of add', 'of add', 'of add'])
})

test.each([
  ['no such module', () => undefined],
  ['no way to reach one', undefined],
])('a host that has %s is refused with what to use instead', (_what, getBuiltinModule) => {
  vi.stubGlobal('process', { ...process, getBuiltinModule })
  try {
    expect(diagnosticsChannel).toThrow(
      "Cannot create the diagnostics channels as process.getBuiltinModule('node:diagnostics_channel') must give them: " +
        'use Node 20.16, 22.3 or newer, Deno, Bun, or Workers with the compatibility flag nodejs_compat',
    )
  } finally {
    vi.unstubAllGlobals()
  }
})

test.each(runtimes)('works on %s', async (runtime) => {
  expect(await runOn(runtime, '_channels.ts')).toEqual([
    'background-tasks.started good',
    'background-tasks.started bad',
    'background-tasks.failed bad: no',
  ])
})

test('Workers without nodejs_compat are refused', async () => {
  expect(await runOn('Workers', '_unsupported.ts', [])).toMatch(/^Error: Cannot create the diagnostics channels/)
})
