/**
 * How many jobs a second an engine runs through this package, and how long a job waits for its start, beside the engine
 * itself on the same work: `npm run bench -- queues`, or one of them, as in `npm run bench -- queues redis`. Alternating rounds on fresh queues of one server; worker and enqueuer
 * are one process, the server is on the same machine.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Kind } from '../queues/_open.ts'
import { type Server, startPostgres, startRabbitMQ, startRedis } from '../queues/_servers.ts'
import { bareSides, type OpenSide, ours, type Side } from './_queue-sides.ts'
import { spreadOf, spreadOfPairs } from './_stats.ts'

interface Plan {
  readonly kind: Kind
  readonly label: string
  readonly start: () => Promise<Server | undefined>
  readonly jobs: number
  readonly concurrency: number
  /** Jobs a second that are required of ours. */
  readonly required?: number
}

const ROUNDS = 10
const SINGLES = 100
/** The part of the bare engine's best that ours has to reach. */
const SHARE = 0.85

const plans: readonly Plan[] = [
  { kind: 'postgres', label: 'pg-boss, PostgreSQL', start: startPostgres, jobs: 2000, concurrency: 10, required: 300 },
  { kind: 'pglite', label: 'pg-boss, PGlite', start: async () => undefined, jobs: 500, concurrency: 10 },
  { kind: 'redis', label: 'BullMQ, Redis', start: startRedis, jobs: 10_000, concurrency: 50 },
  { kind: 'rabbitmq', label: 'RabbitMQ', start: startRabbitMQ, jobs: 5000, concurrency: 50 },
]

interface Figures {
  readonly enqueued: number[]
  readonly run: number[]
  readonly waits: number[]
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** Prints all of them, or one; gives whether nothing was missed. */
export async function benchQueues(only?: string): Promise<boolean> {
  const chosen = plans.filter(({ kind }) => !only || kind === only)
  if (chosen.length === 0) throw new TypeError(`there is no engine '${only}', only ${plans.map(({ kind }) => kind)}`)
  console.log(
    '\n                                                    enqueued/s     run/s   p50 ms   p99 ms   of the best bare engine',
  )
  let isGood = true
  for (const plan of chosen) isGood = (await benchOne(plan)) && isGood
  return isGood
}

async function benchOne({ kind, label, start, jobs, concurrency, required }: Plan): Promise<boolean> {
  const server = await start()
  const directory = await mkdtemp(join(tmpdir(), 'bench-'))
  const url = server?.url ?? directory
  const sides = [ours(kind), ...(bareSides[kind] ?? [])]
  const figures = new Map<OpenSide, { name: string } & Figures>()
  try {
    // One round more, first, to warm up.
    for (let round = -1; round < ROUNDS; round++) {
      for (const open of round % 2 === 0 ? sides : sides.toReversed()) {
        const side = await open(url, `bench-${round + 1}-${sides.indexOf(open)}`)
        try {
          const measured = await measure(side, jobs, concurrency)
          if (round < 0) figures.set(open, { name: side.name, enqueued: [], run: [], waits: [] })
          else {
            figures.get(open)?.enqueued.push(measured.enqueued)
            figures.get(open)?.run.push(measured.run)
            figures.get(open)?.waits.push(...measured.waits)
          }
        } finally {
          await side.close()
        }
      }
    }
  } finally {
    await server?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
  const [mine, ...bare] = sides.map((open) => figures.get(open) as { name: string } & Figures)
  const best = bare.toSorted((a, b) => spreadOf(b.run).median - spreadOf(a.run).median)[0]
  let isGood = true
  for (const one of [mine as { name: string } & Figures, ...bare]) {
    const perSecond = spreadOf(one.run).median
    const notes: string[] = []
    if (one === mine && best) {
      const share = spreadOfPairs(one.run, best.run, (a, b) => a / b)
      const enqueueing = spreadOfPairs(one.enqueued, best.enqueued, (a, b) => a / b)
      const isFast = share.median >= SHARE
      isGood &&= isFast
      notes.push(
        `run ${share.median.toFixed(2)} [${share.low.toFixed(2)} … ${share.high.toFixed(2)}], enqueued ${enqueueing.median.toFixed(2)}`,
      )
      notes.push(`required at least ${SHARE}: ${isFast ? 'ok' : 'MISSED'}`)
    }
    if (one === mine && required) {
      isGood &&= perSecond >= required
      notes.push(`required ${required} run/s: ${perSecond >= required ? 'ok' : 'MISSED'}`)
    }
    const waits = one.waits.toSorted((a, b) => a - b)
    const at = (part: number): string => (waits[Math.floor(waits.length * part)] ?? Number.NaN).toFixed(1).padStart(9)
    const numbers = [spreadOf(one.enqueued).median, perSecond].map((each) => whole.format(each).padStart(10)).join('')
    console.log(`  ${`${label}: ${one.name}`.padEnd(50)}${numbers}${at(0.5)}${at(0.99)}   ${notes.join('; ')}`)
  }
  return isGood
}

async function measure(
  side: Side,
  jobs: number,
  concurrency: number,
): Promise<{ enqueued: number; run: number; waits: number[] }> {
  const startedAt = new Map<number, number>()
  let waiting = new Map<number, () => void>()
  const started = (n: number): void => {
    startedAt.set(n, performance.now())
    waiting.get(n)?.()
  }
  const numbers = Array.from({ length: jobs }, (_, n) => n)
  const before = performance.now()
  for (let from = 0; from < jobs; from += 500) await side.enqueue(numbers.slice(from, from + 500))
  const enqueuedMs = performance.now() - before

  const all = Promise.withResolvers<void>()
  waiting = new Map(numbers.map((n) => [n, () => startedAt.size === jobs && all.resolve()]))
  const begun = performance.now()
  await side.work(concurrency, started)
  await all.promise
  const runMs = performance.now() - begun

  const waits: number[] = []
  for (let n = jobs; n < jobs + SINGLES; n++) {
    const one = Promise.withResolvers<void>()
    waiting.set(n, one.resolve)
    const asked = performance.now()
    await side.enqueue([n])
    await one.promise
    waits.push((startedAt.get(n) as number) - asked)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return { enqueued: (jobs / enqueuedMs) * 1000, run: (jobs / runMs) * 1000, waits }
}
