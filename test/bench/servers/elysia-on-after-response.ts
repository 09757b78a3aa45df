import { Elysia } from 'elysia'
import { announce } from './_announce.ts'
import { type HandList, inOrder, into } from './_by-hand.ts'
import { paths, work } from './_work.ts'

const app = new Elysia().derive(() => ({ tasks: [] as HandList })).onAfterResponse(({ tasks }) => inOrder(tasks))
for (const path of paths) app.get(path, ({ request, tasks }) => work(request.url, into(tasks)))
app.listen({ hostname: '127.0.0.1', port: 0 }, ({ port }) => announce(port))
