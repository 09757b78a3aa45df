import { type FastifyRequest, fastify } from 'fastify'
import { type HandList, inOrder, into } from './_by-hand.ts'
import { listen } from './_fastify.ts'
import { paths, work } from './_work.ts'

type Request = FastifyRequest & { tasks: HandList }

const app = fastify()
app.decorateRequest('tasks')
app.addHook('onRequest', async (request) => {
  ;(request as Request).tasks = []
})
app.addHook('onResponse', (request) => inOrder((request as Request).tasks))
for (const path of paths) app.get(path, async (request) => work(request.url, into((request as Request).tasks)))
await listen(app)
