/**
 * Plain node:http. An order tells a webhook after it was answered; a report is deleted when its download has ended, also
 * when the client left in the middle of it. `tasksFor(res)` does the same in Express, Fastify (`reply.raw`) and Koa.
 *
 *     npm install && npm start
 *     curl -X POST localhost:3000/orders
 *     curl localhost:3000/report.csv
 */
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { gracefulShutdown, tasksFor } from 'background-tasks/node'

const { PORT = '3000', WEBHOOK_URL = 'http://localhost:9000/' } = process.env

const server = createServer((req, res) => {
  if (req.method === 'POST' && req.url === '/orders') return placeOrder(res)
  if (req.method === 'GET' && req.url === '/report.csv') return sendReport(res)
  res.writeHead(404).end()
})

function placeOrder(res: ServerResponse): void {
  const order = { id: crypto.randomUUID(), total: 42 }
  tasksFor(res).add(callWebhook, order)
  res.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(order))
}

async function sendReport(res: ServerResponse): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'report-'))
  tasksFor(res).add(rm, folder, { recursive: true })
  const file = join(folder, 'report.csv')
  await writeFile(file, 'order,total\n'.padEnd(4_000_000, '1,42\n'))
  res.writeHead(200, { 'content-type': 'text/csv' })
  pipeline(createReadStream(file), res, () => {})
}

async function callWebhook(order: { id: string }): Promise<void> {
  const response = await fetch(WEBHOOK_URL, { method: 'POST', body: JSON.stringify(order) })
  if (!response.ok) throw new Error(`The webhook answered ${response.status}`)
  console.log(`told the webhook of order ${order.id}`)
}

server.listen(Number(PORT), () => {
  const address = server.address()
  console.log(`http://localhost:${typeof address === 'object' && address?.port}`)
})

gracefulShutdown(server, tasksFor, { timeoutMs: 8000 })
