import { createServer } from 'node:http'
import http2 from 'node:http2'
import { serve } from '@hono/node-server'
import { withBackgroundTasks } from 'background-tasks'
import { backgroundTasks } from 'background-tasks/hono'
import { createTasksFor, node, tasksFor } from 'background-tasks/node'
import { Hono } from 'hono'
import { serve as serveWithSrvx } from 'srvx'

const wrapped = withBackgroundTasks(
  (request, tasks) => {
    tasks.add(console.log, request.url)
    return new Response()
  },
  { adapter: node() },
)
serve({ fetch: wrapped })
serve({ fetch: withBackgroundTasks((request: Request, _tasks, _env: unknown) => new Response(request.url)) })
serveWithSrvx({ fetch: wrapped })

createServer((_request, res) => {
  tasksFor(res).add(console.log)
  res.end()
})
http2.createServer((_request, res) => {
  createTasksFor({ runOn: 'success' })(res).add(console.log)
  res.end()
})
// @ts-expect-error there is nothing to detect
createTasksFor({ adapter: node() })

const app = new Hono().use(backgroundTasks({ stopOnError: true }))
app.get('/', (c) => {
  c.var.tasks.add((name: string) => console.log(name), 'Ada')
  // @ts-expect-error a wrong argument
  c.var.tasks.add((name: string) => console.log(name), 1)
  return c.text(String(c.var.tasks.size))
})
serve(app)
