/**
 * Several tasks of one request run one after the other, in the order of adding, sync and async alike. Those of an order do not
 * need each other: one that fails does not stop the next. Those of an import do: there the first failure discards the rest.
 *
 *     npm install && npm start
 *     curl localhost:3000/orders --json '{"email":"ada@example.com"}'
 *     curl localhost:3000/orders --json '{"email":"bob@example.org"}'
 *     curl -X POST localhost:3000/imports
 *
 * With SUPPLIER_URL=http://localhost:3000/nothing.csv the import fails.
 */
import { setTimeout } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'

const { PORT = '3000', SUPPLIER_URL = `http://localhost:${PORT}/prices.csv` } = process.env

const independent = backgroundTasks()
const chained = backgroundTasks({
  stopOnError: true,
  observer: ({ type, task, reason }) => {
    if (type === 'discarded') console.log(`discarded ${task.name}: ${reason}`)
  },
})
const app = new Hono()

app.post('/orders', independent, async (c) => {
  const { email } = await c.req.json<{ email: string }>()
  const { tasks } = c.var
  tasks.add(sendConfirmation, email)
  tasks.add(countOrder)
  tasks.add(updateMailingList, email)
  tasks.add(console.log, `all done for ${email}`)
  return c.json({ email }, 201)
})

async function sendConfirmation(email: string): Promise<void> {
  await setTimeout(100) // Here your mail provider is called.
  console.log(`confirmed the order of ${email}`)
}

let orders = 0
function countOrder(): void {
  console.log(`order number ${++orders}`)
}

async function updateMailingList(email: string): Promise<void> {
  if (!email.endsWith('@example.com')) throw new Error(`the mailing list does not take ${email}`)
  console.log(`put ${email} on the mailing list`)
}

app.post('/imports', chained, (c) => {
  const { tasks } = c.var
  // What one task gives to the next one; nobody else has it.
  const table: Table = { rows: [] }
  tasks.add(download, table)
  tasks.add(check, table)
  tasks.add(publish, table)
  return c.text('importing', 202)
})

interface Table {
  rows: string[]
}

async function download(table: Table): Promise<void> {
  const response = await fetch(SUPPLIER_URL)
  if (!response.ok) throw new Error(`the supplier answered ${response.status}`)
  table.rows = (await response.text()).trim().split('\n')
  console.log(`downloaded ${table.rows.length} rows`)
}

function check({ rows }: Table): void {
  const bad = rows.find((row) => row.split(',').length !== 2)
  if (bad !== undefined) throw new Error(`not a row of two: ${bad}`)
  console.log('checked')
}

async function publish({ rows }: Table): Promise<void> {
  console.log(`published ${rows.length} rows`)
}

app.get('/prices.csv', (c) => c.text('tea,3\ncoffee,4\n'))

const server = serve({ fetch: app.fetch, port: Number(PORT) }, ({ port }) => console.log(`http://localhost:${port}`))

gracefulShutdown(server, [independent, chained], { timeoutMs: 8000 })
