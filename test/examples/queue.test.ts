import { afterAll, beforeAll, expect, it } from 'vitest'
import { startPostgres, startRedis } from '../queues/_servers.ts'
import { type Booted, Example, expectTestedVersions } from './_example.ts'

let example: Example
let scripts: { readonly start: string; readonly worker: string }

beforeAll(async () => {
  example = await Example.copy('queue')
  const manifest = await example.install()
  scripts = manifest.scripts as typeof scripts
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

/** Has something computed; gives the id of the task. */
async function compute(server: Booted, below: number): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const answer = await server.send('/compute', { method: 'POST', headers, body: JSON.stringify({ below }) })
  expect(answer.status, answer.text).toBe(202)
  const { taskId } = JSON.parse(answer.text) as { taskId: string }
  expect(answer.headers.get('location')).toBe(`/tasks/${taskId}`)
  return taskId
}

/** What the server says of a task when it has ended. */
async function ended(server: Booted, id: string): Promise<unknown> {
  const end = performance.now() + 20_000
  for (;;) {
    const record = JSON.parse((await server.send(`/tasks/${id}`)).text) as { state: string }
    if (record.state === 'succeeded' || record.state === 'failed') return record
    if (performance.now() > end) throw new Error(`still ${JSON.stringify(record)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

it('examples/queue type-checks where it was copied to', () => example.typeCheck('node', 'server.ts', 'worker.ts'))

it('examples/queue answers with the id of a task, and gives its result by that, without any server beside itself', async () => {
  await using server = await example.boot(scripts.start)
  const id = await compute(server, 1000)
  expect(await ended(server, id)).toEqual({ state: 'succeeded', attempts: 1, result: { primes: 168 } })
  expect((await server.send('/tasks/nobody')).status).toBe(404)
  const bad = await server.send('/compute', { method: 'POST', body: '{"below":"many"}' })
  expect([bad.status, bad.text]).toEqual([400, expect.stringContaining("the task 'compute'")])
  expect(await server.terminate()).toBe(null)
}, 60_000)

it('examples/queue still knows a result when it was stopped and started again', async () => {
  let id = ''
  {
    await using server = await example.boot(scripts.start)
    id = await compute(server, 100)
    await ended(server, id)
    await server.terminate()
  }
  await using server = await example.boot(scripts.start)
  expect(await ended(server, id)).toMatchObject({ state: 'succeeded', result: { primes: 25 } })
}, 60_000)

it('examples/queue works on PostgreSQL, with a worker in another process', async () => {
  await using postgres = await startPostgres()
  const env = { QUEUE: 'postgres', DATABASE_URL: postgres.url }
  await using server = await example.boot(scripts.start, env)
  await using worker = example.start(scripts.worker, env)
  await worker.line('working on tasks of pg-boss')
  const ids = await Promise.all(Array.from({ length: 10 }, () => compute(server, 1000)))
  for (const id of ids) expect(await ended(server, id)).toMatchObject({ state: 'succeeded', result: { primes: 168 } })
  expect(await worker.terminate()).toBe(0)
}, 60_000)

it('examples/queue works on Redis', async () => {
  await using redis = await startRedis()
  await using server = await example.boot(scripts.start, { QUEUE: 'redis', REDIS_URL: redis.url })
  expect(await ended(server, await compute(server, 1000))).toMatchObject({ result: { primes: 168 } })
}, 60_000)

it('examples/queue answers 503 when the engine is down', async () => {
  await using redis = await startRedis()
  await using server = await example.boot(scripts.start, { QUEUE: 'redis', REDIS_URL: redis.url })
  await redis.kill()
  const answer = await server.send('/compute', { method: 'POST', body: '{"below":10}' })
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5'])
}, 60_000)
