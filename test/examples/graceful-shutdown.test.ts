import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../_server.ts'
import { type Booted, Example, expectTestedVersions } from './_example.ts'

let example: Example
let start: string

beforeAll(async () => {
  example = await Example.copy('graceful-shutdown')
  const manifest = await example.install()
  start = manifest.scripts.start
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

/** Stops it while it makes thumbnails; gives what it printed from then on. */
async function stopAtWork(server: Booted): Promise<string[]> {
  const answer = await server.send('/pictures/cat', { method: 'POST' })
  expect([answer.status, answer.text]).toEqual([202, '{"name":"cat"}'])
  await server.line('making the thumbnails of cat')
  const before = server.log.length
  // No exit code: it died by the signal.
  expect(await server.terminate()).toBe(null)
  return server.log.slice(before)
}

it('examples/graceful-shutdown type-checks where it was copied to', () => example.typeCheck('node', 'server.ts'))

it('examples/graceful-shutdown finishes its task when it is asked to stop, and dies by the signal', async () => {
  await using server = await example.boot(start)
  expect(await stopAtWork(server)).toEqual(['made the thumbnails of cat'])
})

it('examples/graceful-shutdown names the task that its deadline cuts off', async () => {
  await using server = await example.boot(start, { TIMEOUT_MS: '50' })
  expect(await stopAtWork(server)).toEqual([
    expect.stringMatching(/^background-tasks: shutdown abandoned 1 task: makeThumbnails \([0-9a-f-]{36}\)$/),
  ])
})

it('examples/graceful-shutdown refuses new requests while it finishes', async () => {
  await using server = await example.boot(start)
  await server.send('/pictures/cat', { method: 'POST' })
  const stopped = server.terminate()
  let isRefused = false
  const ask = async (): Promise<void> => {
    while (!isRefused) await fetch(server.url, { headers: { connection: 'close' } }).catch(() => (isRefused = true))
  }
  ask()
  await until(() => isRefused, 'a refusal')
  expect(await stopped).toBe(null)
  expect(server.log).toContain('made the thumbnails of cat')
})
