import { backgroundTasks } from 'background-tasks/hono'
import { Hono } from 'hono'
import { serve } from './_node-server.ts'
import { paths, work } from './_work.ts'

const app = new Hono().use(backgroundTasks())
for (const path of paths) app.get(path, (c) => c.json(work(c.req.url, (task, n) => c.var.tasks.add(task, n))))
serve(app.fetch)
