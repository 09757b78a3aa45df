/** A Worker that enqueues what a test says, runs it, and tells what happened. */
import { cloudflare, type MessageBatchLike, type QueueLike } from '../../adapters/queues/cloudflare.ts'
import { defineTask, type Observer, type TaskContext, type TaskEvent, withBackgroundTasks } from '../../src/index.ts'

interface Env {
  readonly TASKS: QueueLike
  readonly DEAD: QueueLike
}
/** Of the last event: here a binding is known no sooner. */
let env: Env

export interface Log {
  readonly events: (Omit<TaskEvent, 'error'> & { error?: string; by: 'wrapper' | 'consumer' })[]
  readonly runs: { task: string; input: unknown; id: string; attempt: number; at: number; together: number }[]
  readonly errors: { error: string; name: string; id: string; attempt: number }[]
  /** The bodies in the dead letter queue. */
  readonly dead: any[]
  /** How many messages each batch had. */
  readonly batches: number[]
}

export interface Addition {
  readonly task: string
  readonly input?: unknown
  readonly options?: { id?: string; delayMs?: number }
}

const log: Log = { events: [], runs: [], errors: [], dead: [], batches: [] }
const TRACE = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }

let running = 0
const recorded = async (input: unknown, { id, name, attempt }: TaskContext): Promise<void> => {
  const run = { task: name, input, id, attempt, at: Date.now(), together: ++running }
  log.runs.push(run)
  await new Promise((resolve) => setTimeout(resolve, 20))
  running--
}

const tasks = [
  defineTask({ name: 'record', run: recorded }),
  defineTask({
    name: 'flaky',
    retry: { attempts: 3, delayMs: 0 },
    async run(input: number, context) {
      await recorded(input, context)
      if (context.attempt < input) throw new Error(`attempt ${context.attempt}`)
    },
  }),
  defineTask({
    name: 'patient',
    retry: { attempts: 2, delayMs: 1500, jitter: 0 },
    async run(input: number, context) {
      await recorded(input, context)
      if (context.attempt === 1) throw new Error('not yet')
    },
  }),
  defineTask({
    name: 'failing',
    retry: { attempts: 2, delayMs: 0 },
    async run(input: unknown, context) {
      await recorded(input, context)
      throw new RangeError('out of paper')
    },
  }),
]
const late = defineTask({ name: 'late', run: recorded })

const observer = (by: 'wrapper' | 'consumer'): Observer =>
  Object.assign(
    ({ error, ...event }: TaskEvent) => {
      log.events.push({ ...event, ...(error !== undefined && { error: String(error) }), by })
    },
    { trace: () => TRACE },
  )

const queue = cloudflare({
  queue: () => env.TASKS,
  deadLetter: () => env.DEAD,
  onError: (error, task) => void log.errors.push({ error: String(error), ...task }),
})
const consume = queue.consumer(tasks, { observer: observer('consumer') })
const consumeAll = queue.consumer([...tasks, late], { observer: observer('consumer') })
let knowsAll = false

const paths: Record<string, (body: any, add: (one: Addition) => string) => unknown> = {
  '/log': () => log,
  '/learn': () => {
    knowsAll = true
    return 'learnt'
  },
  '/add': (additions: Addition[], add) => additions.map(add),
  '/throw': (additions: Addition[], add) => {
    additions.map(add)
    throw new Error('meant to throw')
  },
  // Past the wrapper.
  '/send': async (text: string) => {
    await env.TASKS.send(text, { contentType: 'text' })
    return 'sent'
  },
}

const wrapped = withBackgroundTasks<[Env, unknown]>(
  async (request: Request, list) => {
    const { pathname } = new URL(request.url)
    const add = ({ task: name, input, options }: Addition): string => {
      const task = [...tasks, late].find((one) => one.name === name)
      return list.add(task as (typeof tasks)[number], input as never, options)
    }
    return Response.json((await paths[pathname]?.(await request.json(), add)) ?? null)
  },
  { queue, observer: observer('wrapper') },
)

export default {
  async fetch(request: Request, given: Env, ctx: unknown): Promise<Response> {
    env = given
    try {
      return await wrapped(request, given, ctx)
    } catch (error) {
      const { name, message } = error as Error
      return Response.json({ name, message })
    }
  },
  async queue(batch: MessageBatchLike & { readonly queue: string }, given: Env, ctx: unknown): Promise<void> {
    env = given
    if (batch.queue === 'dead') {
      log.dead.push(...batch.messages.map(({ body }) => JSON.parse(String(body))))
      return
    }
    log.batches.push(batch.messages.length)
    await (knowsAll ? consumeAll : consume)(batch, given, ctx)
  },
}
