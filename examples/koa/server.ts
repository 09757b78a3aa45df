/**
 * Koa, with `ctx.tasks`. A sign-up is answered at once; then its two tasks run, in order. An order whose handler fails is
 * answered with status 500 by Koa, and its receipt is not sent. An export is deleted when its download has ended, also when
 * the client left in the middle of it.
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
import { json } from 'node:stream/consumers'
import { type BackgroundTasks, createBackgroundTasks } from 'background-tasks'
import { gracefulShutdown } from 'background-tasks/node'
import Koa, { type Context } from 'koa'

declare module 'koa' {
  interface ExtendableContext {
    tasks: BackgroundTasks
  }
}

const { PORT = '3000', WEBHOOK_URL = 'http://localhost:9000/' } = process.env

const background = createBackgroundTasks()
const app = new Koa()

// It sees what the handlers throw, and waits for them also where the client has left; `tasksFor(ctx.res)` sees the response only.
app.use(async (ctx, next) => {
  const { tasks, settle } = background.open({ platform: [ctx] })
  ctx.tasks = tasks
  try {
    await next()
  } catch (error) {
    await settle(undefined, { error })
    throw error
  }
  await settle(undefined, { status: ctx.status })
})

const routes: Record<string, (ctx: Context) => Promise<void>> = {
  async 'POST /signup'(ctx) {
    const { email } = (await json(ctx.req)) as { email: string }
    ctx.tasks.add(callWebhook, email)
    ctx.tasks.add(console.log, 'audit:', email, 'signed up')
    ctx.status = 201
    ctx.body = { email }
  },

  async 'POST /orders'(ctx) {
    const { id, card } = (await json(ctx.req)) as { id: string; card: string }
    ctx.tasks.add(console.log, 'sent the receipt of order', id)
    if (card === 'declined') throw new Error('The card was declined') // As your payment provider would.
    ctx.status = 201
    ctx.body = { id }
  },

  async 'GET /export.csv'(ctx) {
    const folder = await mkdtemp(join(tmpdir(), 'export-'))
    // A resource and no task, as it has to go also where the handler fails.
    ctx.tasks.use({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) })
    const file = join(folder, 'export.csv')
    await writeFile(file, 'order,total\n'.padEnd(4_000_000, '1,42\n'))
    ctx.tasks.add(console.log, 'an export was downloaded, or given up')
    ctx.type = 'text/csv'
    ctx.body = createReadStream(file)
  },
}
app.use((ctx, next) => routes[`${ctx.method} ${ctx.path}`]?.(ctx) ?? next())

async function callWebhook(email: string): Promise<void> {
  const response = await fetch(WEBHOOK_URL, { method: 'POST', body: email })
  if (!response.ok) throw new Error(`The webhook answered ${response.status}`)
  console.log('told the webhook of', email)
}

const server = app.listen(Number(PORT), () => {
  const address = server.address()
  console.log(`http://localhost:${typeof address === 'object' && address?.port}`)
})

gracefulShutdown(server, background, { timeoutMs: 8000 })
