import { Hono } from 'hono'
import { serve } from './_node-server.ts'
import { paths, work } from './_work.ts'

const app = new Hono()
for (const path of paths) app.get(path, (c) => c.json(work(c.req.url, () => {})))
serve(app.fetch)
