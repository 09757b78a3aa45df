/**
 * An order is answered at once; the webhook of a partner is told of it afterwards, by a signed request that is tried again
 * while the partner is down.
 *
 *     export WEBHOOK_SECRET=whsec_$(openssl rand -base64 32)
 *     npm install
 *     npm run receiver &
 *     npm start
 *     curl -X POST localhost:3000/orders
 *
 * Stop the receiver, order, and start it again. An event that must outlive this process belongs in a queue: the option `queue`.
 */
import { serve } from '@hono/node-server'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'
import { callWebhook } from './webhook.ts'

const background = backgroundTasks({
  observer: ({ type, task, attempt, error }) => {
    if (type === 'retrying') console.warn(`${task.name}: attempt ${attempt} failed,`, String(error))
  },
  onError: (error, { name, attempt }) => console.error(`${name}: gave up after attempt ${attempt},`, String(error)),
})
const app = new Hono().use(background)

app.post('/orders', (c) => {
  const order = { id: crypto.randomUUID(), total: 42 }
  const id = c.var.tasks.add(callWebhook, { type: 'order.created', timestamp: new Date().toISOString(), data: order })
  return c.json(order, 201, { 'webhook-id': id })
})

const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: app.fetch, port }, (address) => console.log(`http://localhost:${address.port}`))

gracefulShutdown(server, background, { timeoutMs: 8000 })
