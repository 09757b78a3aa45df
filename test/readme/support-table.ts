/** Writes the README's tables of hosts and engines from what each one `lacks`: `node test/readme/support-table.ts`. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { bun } from '../../adapters/bun.ts'
import { deno } from '../../adapters/deno.ts'
import { detached } from '../../adapters/detached.ts'
import { lambda } from '../../adapters/lambda.ts'
import { netlify } from '../../adapters/netlify.ts'
import { node } from '../../adapters/node.ts'
import { bullmq } from '../../adapters/queues/bullmq.ts'
import { cloudflare } from '../../adapters/queues/cloudflare.ts'
import { memory } from '../../adapters/queues/memory.ts'
import { pgBoss } from '../../adapters/queues/pg-boss.ts'
import { rabbitmq } from '../../adapters/queues/rabbitmq.ts'
import { serviceWorker } from '../../adapters/service-worker.ts'
import { vercel } from '../../adapters/vercel.ts'
import { waitUntil } from '../../adapters/wait-until.ts'
import { workers } from '../../adapters/workers.ts'
import type { HostFeature } from '../../src/adapter.ts'
import type { QueueFeature } from '../../src/queue.ts'

export const readme: string = fileURLToPath(new URL('../../README.md', import.meta.url))

const hostFeatures: Record<HostFeature, string> = {
  lastByte: 'after the last byte of any body',
  aborted: 'tells that the client left',
  largeBody: 'bodies over 1 MB',
  keepAlive: 'the host waits for tasks',
  addInBody: 'first `add` inside a body',
}

const queueFeatures: Record<QueueFeature, string> = {
  durability: 'outlives the process',
  processes: 'several processes',
  work: '`work`',
  get: '`get`',
  idempotency: 'one job per `id`',
  priority: '`priority`',
  transaction: '`transaction`',
  schedule: '`schedule`',
}

type Row = readonly [name: string, { readonly lacks?: Readonly<Record<string, string>> | undefined }]

const tables: readonly {
  readonly name: string
  readonly columns: Record<string, string>
  readonly rows: readonly Row[]
}[] = [
  {
    name: 'support table',
    columns: hostFeatures,
    rows: [
      ['Node', node()],
      ['Cloudflare Workers', workers()],
      ['Deno', deno()],
      ['Bun', bun()],
      ['Vercel', vercel()],
      ['Netlify', netlify()],
      ['AWS Lambda', lambda()],
      ['service workers, Fastly Compute', serviceWorker()],
      ['any other host with a `waitUntil`', waitUntil(() => undefined)],
      ['any other host', detached()],
    ],
  },
  {
    name: 'queue table',
    columns: queueFeatures,
    rows: [
      ['pg-boss, in a folder', pgBoss({ directory: 'data' })],
      ['pg-boss, on PostgreSQL', pgBoss({ url: 'postgres://localhost' })],
      ['BullMQ', bullmq({ url: 'redis://localhost' })],
      ['RabbitMQ', rabbitmq({ url: 'amqp://localhost' })],
      ['Cloudflare Queues', cloudflare({ queue: { send: async () => {}, sendBatch: async () => {} } })],
      ['memory', memory()],
    ],
  },
]

/** A table, and the reasons as a list. */
function tableOf(columns: Record<string, string>, rows: readonly Row[]): string {
  const reasons: string[] = []
  const cell = (reason: string | undefined): string => {
    if (reason === undefined) return '✓'
    if (!reasons.includes(reason)) reasons.push(reason)
    return `– <sup>${reasons.indexOf(reason) + 1}</sup>`
  }
  const features = Object.keys(columns)
  const lines = rows.map(([name, { lacks = {} }]) => [name, ...features.map((feature) => cell(lacks[feature]))])
  const table = [['', ...Object.values(columns)], ['---', ...features.map(() => '---')], ...lines]
  return [
    ...table.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    ...reasons.map((reason, index) => `${index + 1}. ${reason}`),
  ].join('\n')
}

/** A README with the tables as they must be now. */
export function withSupportTables(text: string): string {
  return tables.reduce((before, { name, columns, rows }) => {
    const begin = `<!-- ${name}: node test/readme/support-table.ts -->`
    const end = `<!-- /${name} -->`
    const [from, to] = [before.indexOf(begin), before.indexOf(end)]
    if (from < 0 || to < from) throw new Error(`Cannot find the table: ${readme} needs the lines ${begin} and ${end}`)
    return `${before.slice(0, from + begin.length)}\n\n${tableOf(columns, rows)}\n\n${before.slice(to)}`
  }, text)
}

if (import.meta.main) await writeFile(readme, withSupportTables(await readFile(readme, 'utf8')))
