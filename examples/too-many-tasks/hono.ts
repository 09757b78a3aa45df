/**
 * A server that takes no more work than it can do: with three e-mails unsent the next sign-up is asked to come again.
 *
 *     npm install && npm start
 *     for i in 1 2 3 4 5; do curl -i -X POST localhost:3000/signup & done
 */
import { serve } from '@hono/node-server'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { sendWelcomeEmail } from './send.ts'

const background = backgroundTasks({ maxPending: 3 })
const app = new Hono().use(background)

app.post('/signup', (c) => {
  const id = crypto.randomUUID()
  c.var.tasks.add(sendWelcomeEmail, id)
  return c.json({ id }, 201)
})

app.onError((error, c) => {
  // By its name, as the class may come from another copy of the package.
  if (error.name === 'TooManyTasksError') return c.text('Too busy, come again', 503, { 'Retry-After': '1' })
  // The others as Hono answers them by itself.
  if (error instanceof HTTPException) return error.getResponse()
  console.error(error)
  return c.text('Internal Server Error', 500)
})

const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: app.fetch, port }, (address) => console.log(`http://localhost:${address.port}`))

gracefulShutdown(server, background, { timeoutMs: 8000 })
