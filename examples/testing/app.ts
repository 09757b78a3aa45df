/** A sign-up that answers at once; the welcome e-mail, tried up to three times, and the audit log come afterwards. */
import { type BackgroundTasksOptions, defineTask } from 'background-tasks'
import { backgroundTasks } from 'background-tasks/hono'
import { Hono } from 'hono'

export interface Services {
  sendEmail(to: string, text: string): Promise<void>
  writeAuditLog(entry: string): Promise<void>
}

export function createApp({ sendEmail, writeAuditLog }: Services, options?: BackgroundTasksOptions): Hono {
  const welcome = defineTask({
    name: 'welcome',
    retry: { attempts: 3, delayMs: 30_000 },
    run: (email: string) => sendEmail(email, 'Welcome!'),
  })

  const app = new Hono()
  app.post('/signup', backgroundTasks(options), async (c) => {
    const { email } = await c.req.json<{ email: string }>()
    c.var.tasks.add(welcome, email)
    c.var.tasks.add(writeAuditLog, `${email} signed up`)
    if (!email.includes('@')) throw new Error('no e-mail address')
    return c.json({ email }, 201)
  })
  return app
}
