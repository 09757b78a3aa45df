import { expect, test } from 'vitest'
import { deno } from '../../adapters/deno.ts'
import { deferred, ok, turn, wrapped } from '../_wrapped.ts'
import { testAdapter } from '../conformance/adapter.ts'

/** Shaped after Deno.ServeHandlerInfo; the real one is used in test/runtimes/deno.test.ts. */
function info() {
  const { promise, resolve, reject } = deferred()
  return { remoteAddr: { transport: 'tcp', hostname: '127.0.0.1', port: 1 }, completed: promise, resolve, reject }
}

testAdapter(deno(), { platform: () => [info()], finish: ([{ resolve }]) => resolve(), delivery: 'flushed' })

test('tasks run also when `completed` rejects', async () => {
  const host = info()
  const { handler, log } = wrapped(
    (tasks) => {
      tasks.add(function task() {})
      return ok()
    },
    { adapter: deno() },
  )
  await handler(new Request('http://localhost/'), host)
  host.reject(new Error('connection lost'))
  await handler.drain()
  expect(log().at(-1)).toBe('succeeded task')
})

test('without a task `completed` is not even read', async () => {
  const host = Object.defineProperty(info(), 'completed', { get: () => expect.fail('completed was read') })
  const { handler } = wrapped(ok)
  expect((await handler(new Request('http://localhost/'), host)).status).toBe(200)
})

test('srvx puts it on the request', async () => {
  const host = info()
  const request = Object.assign(new Request('http://localhost/'), { runtime: { deno: { info: host } } })
  const { handler, log } = wrapped((tasks) => {
    tasks.add(function task() {})
    return ok()
  })
  await handler(request)
  await turn()
  await turn()
  expect(log()).toEqual(['added task'])
  host.resolve()
  await handler.drain()
  expect(log().at(-1)).toBe('succeeded task')
})
