import { expect, test } from 'vitest'
import { waitUntil } from '../../adapters/wait-until.ts'
import { ok, wrapped } from '../_wrapped.ts'
import { testAdapter } from '../conformance/adapter.ts'

testAdapter(
  waitUntil((call) => call.platform[0]),
  { platform: () => [{ waitUntil() {} }], delivery: 'returned' },
)

test.each<[string, (held: Promise<unknown>[]) => any]>([
  ['an object that has waitUntil', (held) => ({ waitUntil: (promise: Promise<unknown>) => void held.push(promise) })],
  ['a function', (held) => (promise: Promise<unknown>) => void held.push(promise)],
])('the host is held through %s', async (_name, extender) => {
  const held: Promise<unknown>[] = []
  const { call, log } = wrapped(
    (tasks) => {
      tasks.add(function task() {})
      return ok()
    },
    { adapter: waitUntil(() => extender(held)) },
  )
  await call()
  expect(held.length).toBe(1)
  await held[0]
  expect(log().at(-1)).toBe('succeeded task')
})

test('what is no function is refused, naming what came', () => {
  expect(() => waitUntil({ waitUntil() {} } as never)).toThrow(
    'Cannot create the waitUntil adapter as its argument must be a function (call) => extender: current value is object',
  )
})
