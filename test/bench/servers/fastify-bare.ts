import { fastify } from 'fastify'
import { listen } from './_fastify.ts'
import { paths, work } from './_work.ts'

const app = fastify()
for (const path of paths) app.get(path, async (request) => work(request.url, () => {}))
await listen(app)
