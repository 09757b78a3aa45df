/**
 * A sign-up that answers at once; the welcome e-mail and the audit log come afterwards. When the server
 * is stopped, they are waited for.
 *
 *     npm install && npm start
 *     curl localhost:3000/signup --json '{"email":"ada@example.com"}'
 */
import { appendFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'

const background = backgroundTasks()
const app = new Hono().use(background)

app.post('/signup', async (c) => {
  const { email } = await c.req.json<{ email: string }>()
  c.var.tasks.add(sendWelcomeEmail, email)
  c.var.tasks.add(writeAuditLog, `${email} signed up`)
  return c.json({ email }, 201)
})

async function sendWelcomeEmail(email: string): Promise<void> {
  await setTimeout(300) // Here your mail provider is called.
  console.log(`sent a welcome e-mail to ${email}`)
}

async function writeAuditLog(entry: string): Promise<void> {
  await appendFile('audit.log', `${new Date().toISOString()} ${entry}\n`)
}

const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: app.fetch, port }, (address) => console.log(`http://localhost:${address.port}`))

gracefulShutdown(server, background, { timeoutMs: 8000 })
