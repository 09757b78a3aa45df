/**
 * Express, with `req.tasks`. A sign-up is answered at once; then its two tasks run, in order. An order whose handler fails
 * is answered with status 500 by Express, and its receipt is not sent. An export is deleted when its download has ended,
 * also when the client left in the middle of it.
 *
 *     npm install && npm start
 *     curl localhost:3000/signup --json '{"email":"ada@example.com"}'
 *     curl localhost:3000/orders --json '{"id":"7","card":"declined"}'
 *     curl localhost:3000/export.csv
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BackgroundTasks } from 'background-tasks'
import { createTasksFor, gracefulShutdown } from 'background-tasks/node'
import express from 'express'

declare global {
  namespace Express {
    interface Request {
      tasks: BackgroundTasks
    }
  }
}

const { PORT = '3000', WEBHOOK_URL = 'http://localhost:9000/' } = process.env

// Of a handler that failed only the status is seen here: with the default, its tasks would run.
const tasksFor = createTasksFor({ runOn: 'success' })
const app = express()
app.use(express.json(), (req, res, next) => {
  req.tasks = tasksFor(res)
  next()
})

app.post('/signup', (req, res) => {
  const { email } = req.body
  req.tasks.add(callWebhook, email)
  req.tasks.add(console.log, 'audit:', email, 'signed up')
  res.status(201).json({ email })
})

app.post('/orders', (req, res) => {
  const { id, card } = req.body
  req.tasks.add(console.log, 'sent the receipt of order', id)
  if (card === 'declined') throw new Error('The card was declined') // As your payment provider would.
  res.status(201).json({ id })
})

app.get('/export.csv', async (req, res) => {
  const folder = await mkdtemp(join(tmpdir(), 'export-'))
  // A resource and no task, as it has to go also where the handler fails.
  req.tasks.use({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) })
  await writeFile(join(folder, 'export.csv'), 'order,total\n'.padEnd(4_000_000, '1,42\n'))
  req.tasks.add(console.log, 'an export was downloaded, or given up')
  res.sendFile('export.csv', { root: folder })
})

async function callWebhook(email: string): Promise<void> {
  const response = await fetch(WEBHOOK_URL, { method: 'POST', body: email })
  if (!response.ok) throw new Error(`The webhook answered ${response.status}`)
  console.log('told the webhook of', email)
}

const server = app.listen(Number(PORT), () => {
  const address = server.address()
  console.log(`http://localhost:${typeof address === 'object' && address?.port}`)
})

gracefulShutdown(server, tasksFor, { timeoutMs: 8000 })
