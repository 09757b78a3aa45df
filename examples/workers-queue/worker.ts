/**
 * A shop on Workers whose receipts must not get lost: the customer is answered when Cloudflare Queues has the task, which is
 * tried again until the mail service takes the receipt. Every night the same queue is given a report to write.
 *
 *     npm install && npm start
 *     curl -i -X POST localhost:8787/orders --json '{ "email": "ada@example.com", "total": 42 }'
 *     curl localhost:8787/receipts/<the taskId>
 *     curl 'localhost:8787/cdn-cgi/handler/scheduled?cron=0+3+*+*+*'
 */
import { env } from 'cloudflare:workers'
import { defineTask, withBackgroundTasks } from 'background-tasks'
import { cloudflare } from 'background-tasks/queues/cloudflare'
import { workers } from 'background-tasks/schedules/workers'

interface Env {
  TASKS: Queue
  FAILED: Queue
  RECEIPTS: KVNamespace
  MAIL_URL: string
}
const { TASKS, FAILED, RECEIPTS, MAIL_URL } = env as Env

interface Order {
  email: string
  total: number
}

const sendReceipt = defineTask({
  name: 'send-receipt',
  retry: { attempts: 10, delayMs: 1000 },
  timeoutMs: 10_000,
  async run(order: Order, { id, signal }) {
    const response = await fetch(MAIL_URL, {
      method: 'POST',
      // Cloudflare delivers at least once, so the mail service has to know the second time when it sees it.
      headers: { 'idempotency-key': id },
      body: JSON.stringify(order),
      signal,
    })
    if (!response.ok) throw new Error(`The mail service answered ${response.status}`)
    await RECEIPTS.put(id, 'sent')
    console.log(`sent the receipt for ${order.total} to ${order.email}`)
  },
})

const writeReport = defineTask({
  name: 'write-report',
  async run() {
    const { keys } = await RECEIPTS.list()
    console.log(`report: ${keys.length} receipts`)
  },
})

const queue = cloudflare({ queue: TASKS, deadLetter: FAILED })

export default {
  fetch: withBackgroundTasks(
    async (request, tasks) => {
      const [, place, id = ''] = new URL(request.url).pathname.split('/')
      if (place === 'orders' && request.method === 'POST') {
        const taskId = tasks.add(sendReceipt, await request.json<Order>())
        return Response.json({ taskId }, { status: 202 })
      }
      if (place === 'receipts') return Response.json({ state: (await RECEIPTS.get(id)) ?? 'not sent' })
      return new Response('There is no such page', { status: 404 })
    },
    { queue },
  ),
  queue: queue.consumer([sendReceipt, writeReport]),
  scheduled: workers([{ task: writeReport, cron: '0 3 * * *' }], { queue }),
} satisfies ExportedHandler
