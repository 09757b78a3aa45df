/**
 * A sign-up that is answered at once; the welcome e-mail goes to any SMTP server afterwards. While that is down it is tried
 * again; an address that it refuses is not.
 *
 *     npm install && SMTP_URL=smtp://user:password@smtp.example.com:587 npm start
 *     curl localhost:3000/signup --json '{"email":"ada@example.com"}'
 *
 * Without an account: `docker run -p 1025:1025 -p 8025:8025 axllent/mailpit`, and read the mail at localhost:8025.
 */
import { serve } from '@hono/node-server'
import { defineTask, NonRetryableError } from 'background-tasks'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'
import { createTransport } from 'nodemailer'

const { PORT = '3000', SMTP_URL = 'smtp://localhost:1025', RETRY_DELAY_MS = '1000' } = process.env

// Its own time limits, as they also end the connection.
const transport = createTransport({
  url: SMTP_URL,
  connectionTimeout: 5000,
  greetingTimeout: 5000,
  socketTimeout: 15_000,
})

const welcome = defineTask({
  name: 'welcome',
  retry: { attempts: 5, delayMs: Number(RETRY_DELAY_MS) },
  run: async (email: string, { id }) => {
    try {
      await transport.sendMail({
        from: 'Example <hello@example.com>',
        // Not as text, in which a comma would make two addresses.
        to: { name: '', address: email },
        subject: 'Welcome!',
        text: `Hello ${email}, it is good to have you.`,
        // The same in every attempt: if the answer of the server got lost, its reader still gets one e-mail.
        messageId: `<${id}@example.com>`,
      })
    } catch (error) {
      // The mail server would say the same again.
      const { permanent } = error as { permanent?: boolean }
      if (permanent) throw new NonRetryableError(`${email} was refused`, { cause: error })
      throw error
    }
    console.log(`sent a welcome e-mail to ${email}`)
  },
})

const background = backgroundTasks({
  observer: ({ type, task, attempt }) => {
    if (type === 'retrying') console.warn(`attempt ${attempt} of ${task.name} failed, it is tried again`)
  },
  onError: (error, task) => console.error(`gave up ${task.name} after attempt ${task.attempt}:`, error),
})
const app = new Hono().use(background)

app.post('/signup', async (c) => {
  const { email } = await c.req.json<{ email: string }>()
  c.var.tasks.add(welcome, email)
  return c.json({ email }, 201)
})

const server = serve({ fetch: app.fetch, port: Number(PORT) }, ({ port }) => console.log(`http://localhost:${port}`))

gracefulShutdown(server, background, { timeoutMs: 8000 })
