import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type Server, startRedis } from '../queues/_servers.ts'
import { type Booted, Example, expectTestedVersions } from './_example.ts'

let example: Example
let start: string
let redis: Server
let client: Redis

beforeAll(async () => {
  example = await Example.copy('cache')
  const manifest = await example.install()
  start = manifest.scripts.start
  await expectTestedVersions(manifest)
  redis = await startRedis()
  client = new Redis(redis.url).on('error', () => {})
})
afterAll(async () => {
  client.disconnect()
  await redis[Symbol.asyncDispose]()
  await example[Symbol.asyncDispose]()
})

async function get(server: Booted): Promise<[cache: string | null, price: number]> {
  const { headers, text } = await server.send('/products/1')
  return [headers.get('x-cache'), JSON.parse(text).price]
}

function put(server: Booted, price: number): ReturnType<Booted['send']> {
  return server.send('/products/1', { method: 'PUT', body: JSON.stringify({ name: 'tea', price }) })
}

/** Looks until the product is in the cache, or is not. */
async function cached(is: boolean): Promise<void> {
  let found: number | undefined
  while (found !== Number(is)) found = await client.exists('product:1')
}

beforeEach(() => client.flushall())

it('examples/cache type-checks where it was copied to', () => example.typeCheck('node', 'server.ts'))

it('examples/cache fills the cache by the first GET, for a minute, and empties it by a PUT', async () => {
  await using server = await example.boot(start, { REDIS_URL: redis.url })
  await server.line('connected to Redis')
  expect(await get(server)).toEqual(['miss', 3])
  await cached(true)
  expect(await client.ttl('product:1')).toBeGreaterThan(0)
  expect(await client.ttl('product:1')).toBeLessThanOrEqual(60)
  expect(await get(server)).toEqual(['hit', 3])
  expect((await put(server, 4)).status).toBe(200)
  await cached(false)
  expect(await get(server)).toEqual(['miss', 4])
  expect((await server.send('/products/2')).status).toBe(404)
})

it('examples/cache answers a PUT while Redis hangs, and empties the cache when it goes on', async () => {
  await using server = await example.boot(start, { REDIS_URL: redis.url })
  await client.set('product:1', '{"name":"tea","price":1}')
  await server.line('connected to Redis')
  expect(await get(server)).toEqual(['hit', 1])
  redis.freeze()
  try {
    expect((await put(server, 5)).status).toBe(200)
    expect((await server.send('/products/2')).status, 'without a cache').toBe(404)
    expect(server.log).not.toContain('invalidated product 1')
  } finally {
    redis.thaw()
  }
  await server.line('invalidated product 1')
  await cached(false)
  expect(await get(server)).toEqual(['miss', 5])
})

it('examples/cache does without Redis where that is down, and has it again when it is there again', async () => {
  await using server = await example.boot(start, { REDIS_URL: redis.url })
  await redis.stop()
  expect(await get(server)).toEqual(['miss', 3])
  expect((await put(server, 6)).status).toBe(200)
  expect(await get(server)).toEqual(['miss', 6])
  await redis.start()
  await server.line('invalidated product 1')
})
