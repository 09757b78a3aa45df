import { Elysia } from 'elysia'
import { announce } from './_announce.ts'
import { paths, work } from './_work.ts'

const app = new Elysia()
for (const path of paths) app.get(path, ({ request }) => work(request.url, () => {}))
app.listen({ hostname: '127.0.0.1', port: 0 }, ({ port }) => announce(port))
