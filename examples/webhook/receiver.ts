/**
 * The partner: answers when it has verified who calls, and does its own work afterwards, once for each event.
 */
import { serve } from '@hono/node-server'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'
import { verify } from './webhook.ts'

/** Here your database is asked, by a unique key. */
const seen = new Set<string>()

const background = backgroundTasks()
const app = new Hono().use(background)

app.post('/', async (c) => {
  // As it came: written anew, the JSON could differ by a space.
  const body = await c.req.text()
  if (!verify(c.req.raw.headers, body)) return c.text('wrong signature', 401)
  const id = c.req.header('webhook-id') ?? ''
  if (!seen.has(id)) c.var.tasks.add(ship, JSON.parse(body).data)
  seen.add(id)
  return c.text('thank you')
})

async function ship(order: { id: string }): Promise<void> {
  console.log(`shipping order ${order.id}`)
}

const port = Number(process.env.PORT ?? 4000)
const server = serve({ fetch: app.fetch, port }, (address) => console.log(`http://localhost:${address.port}`))

gracefulShutdown(server, background, { timeoutMs: 8000 })
