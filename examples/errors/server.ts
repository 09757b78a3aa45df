/**
 * What fails: a task goes to the logger, and the response does not hear of it; a handler is answered by `app.onError`, and its
 * tasks are discarded, but for the one that says that it must run.
 *
 *     npm install && npm start
 *     curl localhost:3000/payments --json '{"card":"4242","email":"ada@example.com"}'
 *     curl localhost:3000/payments --json '{"card":"0000","email":"ada@example.com"}'
 *     curl localhost:3000/payments --json '{"card":"4242","email":"nobody"}'
 *     curl -X POST localhost:3000/refunds
 */
import { serve } from '@hono/node-server'
import { defineTask } from 'background-tasks'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'

/** Here your logger is called. */
const log = (level: string, message: string, fields: object): void => {
  console.log(JSON.stringify({ level, message, ...fields }))
}

/** Runs however the handler ended, and is told how that was. */
const countPayment = defineTask({
  name: 'countPayment',
  runOn: 'always',
  run: (card: string, { outcome }) => {
    const { threw, status, error } = outcome
    log('info', 'payment', { card, result: threw ? 'failed' : 'done', status, reason: error && String(error) })
  },
})

async function sendReceipt(email: string): Promise<void> {
  if (!email.includes('@')) throw new Error(`${email} is no e-mail address`)
  log('info', 'receipt', { email }) // Here your mail provider is called.
}

const background = backgroundTasks({
  onError: (error, { id, name, attempt }) => log('error', 'task failed', { id, name, attempt, error: String(error) }),
  observer: ({ type, task, reason }) => {
    if (type === 'discarded') log('info', 'task discarded', { name: task.name, reason })
  },
})
const app = new Hono().use(background)

app.post('/payments', async (c) => {
  const { card, email } = await c.req.json<{ card: string; email: string }>()
  c.var.tasks.add(countPayment, card)
  c.var.tasks.add(sendReceipt, email)
  charge(card)
  return c.json({ paid: true }, 201)
})

// Returned, not thrown: to the tasks that is a response like any other. `runOn: 'success'` would look at its status.
app.post('/refunds', (c) => {
  c.var.tasks.add(log, 'info', 'somebody asked for a refund', {})
  return c.json({ error: 'no refunds' }, 403)
})

function charge(card: string): void {
  if (card === '0000') throw new HTTPException(402, { message: 'the card was declined' })
  if (card !== '4242') throw new Error('the bank does not answer')
}

app.onError((error, c) => {
  if (error instanceof HTTPException) return c.json({ error: error.message }, error.status)
  log('error', 'handler failed', { path: c.req.path, error: String(error) })
  return c.json({ error: 'internal error' }, 500)
})

const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: app.fetch, port }, (address) => console.log(`http://localhost:${address.port}`))

gracefulShutdown(server, background, { timeoutMs: 8000 })
