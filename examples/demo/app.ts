/**
 * The Hono app of the demo, the same on every runtime. It reports what its tasks do as JSON lines on its standard output.
 *
 * @module
 */
import type { BackgroundTasks } from 'background-tasks'
import { backgroundTasks } from 'background-tasks/hono'
import { Hono } from 'hono'

/** One line of a report. */
export type Report =
  | {
      type: 'added' | 'started' | 'succeeded' | 'failed' | 'discarded' | 'abandoned' | 'retrying'
      id: string
      name: string
      error?: string
    }
  | { type: 'burnt' }

const report = (line: Report): void => console.log(JSON.stringify(line))
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Holds the CPU. A fixed amount of work and not of time, as the clock of Workers stands still while code runs. */
function burn(rounds = 1): void {
  let seed = 1
  for (let i = 0; i < rounds * 3_000_000; i++) seed = (seed * 48_271) % 2_147_483_647
  if (seed > 0) report({ type: 'burnt' })
}

export const app = new Hono().use(
  backgroundTasks({
    observer: ({ type, task, error }) =>
      report({ type, ...task, ...(error instanceof Error && { error: error.message }) }),
    // The timeline shows it already.
    onError: () => {},
  }),
)

async function sendWelcomeEmail(_to: string): Promise<void> {
  burn()
  await wait(60)
}

async function writeAuditLog(_entry: string): Promise<void> {
  await wait(25)
}

async function notifyWarehouse(_order: number): Promise<void> {
  burn()
  await wait(30)
  throw new Error('the warehouse answered 503')
}

async function deleteExportFile(_path: string): Promise<void> {
  burn()
  await wait(20)
}

function makeThumbnail(_photo: string): void {
  burn(5)
}

async function purgeCache(tasks: BackgroundTasks, article: number): Promise<void> {
  burn()
  await wait(15)
  tasks.add(warmCache, `/articles/${article}`)
  tasks.add(warmCache, '/')
}

async function warmCache(_path: string): Promise<void> {
  await wait(20)
}

app.get('/', (c) => c.text('ready'))

app.post('/signup', (c) => {
  c.var.tasks.add(sendWelcomeEmail, 'ada@example.com')
  c.var.tasks.add(writeAuditLog, 'ada@example.com signed up')
  return c.json({ ok: true }, 201)
})

app.post('/orders', (c) => {
  c.var.tasks.add(notifyWarehouse, 42)
  c.var.tasks.add(writeAuditLog, 'order 42')
  return c.json({ order: 42 }, 202)
})

app.get('/export', (c) => {
  c.var.tasks.add(deleteExportFile, 'export-42.ndjson')
  let line = 0
  const lines = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await wait(25)
      controller.enqueue(new TextEncoder().encode(`{"line":${++line}}\n`))
      if (line === 6) controller.close()
    },
  })
  return c.body(lines, 200, { 'content-type': 'application/x-ndjson' })
})

app.post('/photos', (c) => {
  c.var.tasks.add(makeThumbnail, 'cat.png')
  c.var.tasks.add(writeAuditLog, 'cat.png')
  return c.text('stored', 201)
})

app.delete('/articles/:id', (c) => {
  c.var.tasks.add(purgeCache, c.var.tasks, Number(c.req.param('id')))
  return c.body(null, 204)
})
