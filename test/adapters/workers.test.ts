import { expect, test } from 'vitest'
import { workers } from '../../adapters/workers.ts'
import { ok, wrapped } from '../_wrapped.ts'
import { testAdapter } from '../conformance/adapter.ts'

/** As strict as workerd's own: not enumerable, and bound to its object. */
class ExecutionContext {
  readonly #promises: Promise<unknown>[] = []

  waitUntil(promise: Promise<unknown>): void {
    this.#promises.push(promise)
  }

  get promises(): readonly Promise<unknown>[] {
    return this.#promises
  }
}

testAdapter(workers(), { platform: () => [{}, new ExecutionContext()], delivery: 'returned' })

test('the invocation is held open, by one promise that never rejects, until all tasks have ended', async () => {
  const ctx = new ExecutionContext()
  const { handler, log } = wrapped(
    (tasks) => {
      expect(ctx.promises.length).toBe(0)
      tasks.add(function fails() {
        throw new Error('no')
      })
      tasks.add(function last() {})
      return ok()
    },
    { adapter: workers() },
  )
  await handler(new Request('http://localhost/'), {}, ctx)
  expect(ctx.promises.length).toBe(1)
  expect(await ctx.promises[0]).toBe(undefined)
  expect(log().at(-1)).toBe('succeeded last')
})

test('a late add asks again, and throws where the context refuses', async () => {
  const ctx = new ExecutionContext()
  let late!: () => void
  const { handler } = wrapped(
    (tasks) => {
      tasks.add(() => {})
      late = () => tasks.add(() => {})
      return ok()
    },
    { adapter: workers() },
  )
  await handler(new Request('http://localhost/'), {}, ctx)
  await ctx.promises[0]
  late()
  expect(ctx.promises.length).toBe(2)
  await ctx.promises[1]
  ctx.waitUntil = () => {
    throw new Error('InvalidStateError')
  }
  expect(late).toThrow('InvalidStateError')
})

test('without a task the context is left alone', () => {
  const { handler } = wrapped(ok, { adapter: workers() })
  const ctx = { waitUntil: () => expect.fail('waitUntil was called') }
  expect(handler(new Request('http://localhost/'), {}, ctx)).toBeInstanceOf(Response)
})
