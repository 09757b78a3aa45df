/**
 * Products are cached in Redis; the cache is filled and invalidated after the response. While Redis is down there is no cache,
 * and no harm done.
 *
 *     npm install && REDIS_URL=redis://localhost:6379 npm start
 *     curl -i localhost:3000/products/1
 *     curl -i localhost:3000/products/1
 *     curl -X PUT localhost:3000/products/1 --json '{"name":"tea","price":4}'
 */
import { serve } from '@hono/node-server'
import { defineTask } from 'background-tasks'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'
import { Redis } from 'ioredis'

interface Product {
  name: string
  price: number
}

/** Here your database is asked. */
const products = new Map<string, Product>([['1', { name: 'tea', price: 3 }]])

const { PORT = '3000', REDIS_URL = 'redis://localhost:6379' } = process.env

// No cache is better than one to wait for: commands fail while there is no connection, and after half a second.
const redis = new Redis(REDIS_URL, { enableOfflineQueue: false, maxRetriesPerRequest: 0, commandTimeout: 500 })
redis.on('ready', () => console.log('connected to Redis'))
redis.on('error', (error) => console.warn('Redis:', error.message))

const keyOf = (id: string): string => `product:${id}`

const fill = async (id: string, product: Product): Promise<void> => {
  // For a minute at most: see below.
  await redis.set(keyOf(id), JSON.stringify(product), 'EX', 60)
}

/**
 * Between the answer of a PUT and this a GET may still see the old product: milliseconds; with Redis down, for as long as it
 * is. A GET may also have read the old product from the database just before the PUT, and fill the cache just after this. So
 * every entry has an end of its own, after a minute, which is the longest that somebody is told something old once Redis is
 * there. Where a client has to read what it has just written, await it in the handler instead.
 */
const invalidate = defineTask({
  name: 'invalidate',
  retry: { attempts: 20, delayMs: 100, maxDelayMs: 5000 },
  run: async (id: string) => {
    await redis.del(keyOf(id))
    console.log(`invalidated product ${id}`)
  },
})

const background = backgroundTasks()
const app = new Hono().use(background)

app.get('/products/:id', async (c) => {
  const { id } = c.req.param()
  const cached = await redis.get(keyOf(id)).catch(() => null)
  if (cached !== null) return c.json<Product>(JSON.parse(cached), 200, { 'x-cache': 'hit' })
  const product = products.get(id)
  if (!product) return c.json({ error: 'no such product' }, 404)
  c.var.tasks.add(fill, id, product)
  return c.json(product, 200, { 'x-cache': 'miss' })
})

app.put('/products/:id', async (c) => {
  const { id } = c.req.param()
  const product = await c.req.json<Product>()
  products.set(id, product)
  c.var.tasks.add(invalidate, id)
  return c.json(product)
})

const server = serve({ fetch: app.fetch, port: Number(PORT) }, ({ port }) => console.log(`http://localhost:${port}`))

gracefulShutdown(server, background, { timeoutMs: 8000 })
