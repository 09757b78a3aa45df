/**
 * FastAPI's dependencies: middleware, handler and what they call add to one list, which runs in that order; and a resource of
 * the middleware (`yield` in FastAPI) is there until the last task has ended.
 *
 *     npm install && npm start
 *     curl -X POST 'localhost:3000/send-notification/ada@example.com?q=tea'
 *     cat log.txt
 */
import { serve } from '@hono/node-server'
import { taskContext } from 'background-tasks/context'
import { type BackgroundTasksVariables, backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { greet } from './greet.ts'
import { LogFile } from './log-file.ts'

/** Opens the log, and writes the query to it where there is one. Says what it needs and what it gives by its types. */
const query = createMiddleware<{ Variables: BackgroundTasksVariables & { log: LogFile; query: string | undefined } }>(
  async (c, next) => {
    const log = c.var.tasks.use(await LogFile.open('log.txt'))
    const q = c.req.query('q')
    if (q) c.var.tasks.add((line: string) => log.write(line), `found query: ${q}`)
    c.set('log', log)
    c.set('query', q)
    await next()
  },
)

const background = backgroundTasks()
const app = new Hono().use(background, taskContext())

app.post('/send-notification/:email', query, (c) => {
  const { email } = c.req.param()
  const { log, tasks } = c.var
  tasks.add((line: string) => log.write(line), `message to ${email}`)
  greet(email)
  return c.json({ message: 'Message sent', query: c.var.query })
})

const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: app.fetch, port }, (address) => console.log(`http://localhost:${address.port}`))

gracefulShutdown(server, background, { timeoutMs: 8000 })
