/**
 * Work that outlives the process: the client gets the id of its task, and asks for the result by it.
 *
 *     npm install && npm start
 *     curl localhost:3000/compute --json '{"below":100000}'
 *     curl localhost:3000/tasks/<taskId>
 *
 * It needs no server beside itself. QUEUE=postgres or QUEUE=redis puts the tasks there instead, where `npm run worker`, on as
 * many machines as you like, helps to run them.
 */
import { serve } from '@hono/node-server'
import { QueueError, TaskInputError } from 'background-tasks'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'
import { queue } from './queue.ts'
import { compute } from './tasks.ts'

const background = backgroundTasks({ queue })
const app = new Hono().use(background)

// The response leaves when the engine has the task.
app.post('/compute', async (c) => {
  const taskId = c.var.tasks.add(compute, await c.req.json())
  return c.json({ taskId }, 202, { location: `/tasks/${taskId}` })
})

app.get('/tasks/:id', async (c) => {
  const record = await queue.get(compute, c.req.param('id'))
  if (!record) return c.json({ error: 'no such task' }, 404)
  const { state, attempts, result, error } = record
  return c.json({ state, attempts, result, error: error?.message })
})

app.onError((error, c) => {
  if (error instanceof TaskInputError) return c.json({ error: error.message }, 400)
  if (error instanceof QueueError) return c.json({ error: 'try again later' }, 503, { 'retry-after': '5' })
  console.error(error)
  return c.json({ error: 'internal error' }, 500)
})

const worker = await queue.work([compute])
const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: app.fetch, port }, (address) => console.log(`http://localhost:${address.port}`))

gracefulShutdown(server, [background, worker], { timeoutMs: 8000 })
