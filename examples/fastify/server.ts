/**
 * Fastify, with `reply.tasks` from a plugin. A sign-up is answered at once; then its two tasks run, in order. An order whose
 * handler fails is answered with status 500 by Fastify, and its receipt is not sent. An export is deleted when its download
 * has ended, also when the client left in the middle of it. `app.close()` waits for the tasks, and so does SIGTERM.
 *
 *     npm install && npm start
 *     curl localhost:3000/signup --json '{"email":"ada@example.com"}'
 *     curl localhost:3000/orders --json '{"id":"7","card":"declined"}'
 *     curl localhost:3000/export.csv
 */
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BackgroundTasks } from 'background-tasks'
import { createTasksFor, gracefulShutdown } from 'background-tasks/node'
import { type FastifyInstance, fastify } from 'fastify'

declare module 'fastify' {
  interface FastifyReply {
    readonly tasks: BackgroundTasks
  }
}

const { PORT = '3000', WEBHOOK_URL = 'http://localhost:9000/' } = process.env

// Of a handler that failed only the status is seen here: with the default, its tasks would run.
const tasksFor = createTasksFor({ runOn: 'success' })

async function backgroundTasks(app: FastifyInstance): Promise<void> {
  app.decorateReply('tasks', {
    getter() {
      return tasksFor(this.raw)
    },
  })
  app.addHook('onClose', () => tasksFor.drain())
}

export const app = fastify()
// Before the plugin what its tasks need, as Fastify closes the last one first.
app.addHook('onClose', async () => console.log('closed the database'))
// As fastify-plugin does it: `reply.tasks` is there outside of the plugin too.
app.register(Object.assign(backgroundTasks, { [Symbol.for('skip-override')]: true }))

app.post<{ Body: { email: string } }>('/signup', async ({ body: { email } }, reply) => {
  reply.tasks.add(callWebhook, email)
  reply.tasks.add(console.log, 'audit:', email, 'signed up')
  return reply.code(201).send({ email })
})

app.post<{ Body: { id: string; card: string } }>('/orders', async ({ body: { id, card } }, reply) => {
  reply.tasks.add(console.log, 'sent the receipt of order', id)
  if (card === 'declined') throw new Error('The card was declined') // As your payment provider would.
  return reply.code(201).send({ id })
})

app.get('/export.csv', async (_request, reply) => {
  const folder = await mkdtemp(join(tmpdir(), 'export-'))
  // A resource and no task, as it has to go also where the handler fails.
  reply.tasks.use({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) })
  const file = join(folder, 'export.csv')
  await writeFile(file, 'order,total\n'.padEnd(4_000_000, '1,42\n'))
  reply.tasks.add(console.log, 'an export was downloaded, or given up')
  return reply.type('text/csv').send(createReadStream(file))
})

async function callWebhook(email: string): Promise<void> {
  const response = await fetch(WEBHOOK_URL, { method: 'POST', body: email })
  if (!response.ok) throw new Error(`The webhook answered ${response.status}`)
  console.log('told the webhook of', email)
}

console.log(await app.listen({ port: Number(PORT) }))

gracefulShutdown(
  app.server,
  {
    async drain(options) {
      const report = await tasksFor.drain(options)
      await app.close()
      return report
    },
  },
  { timeoutMs: 8000 },
)
