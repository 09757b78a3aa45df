/** The server under faults, in a process of its own: `node --expose-gc _faults-server.ts <seed>`. */
import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import {
  type BackgroundTasks,
  type BackgroundTasksOptions,
  type WrappedHandler,
  withBackgroundTasks,
} from 'background-tasks'
import { node } from 'background-tasks/node'
import { until } from '../_server.ts'
import { answering } from '../bench/_child.ts'
import { addTask, rulesThrown, turn } from './_faulty-tasks.ts'
import { type Counts, Ledger } from './_ledger.ts'
import { planOf, type RequestPlan, type TaskPlan, type WrapperName, wrapperNames } from './_plan.ts'

export interface Question {
  /** Whether no requests follow. */
  isEnd: boolean
}
export interface Answer extends Counts {
  /** Requests whose handler was called. */
  handled: number
  /** Bytes in use after a garbage collection. */
  heap: number
  /** Tasks whose end was not told. */
  open: number
  problems: string[]
}

const MAX_PENDING = 5_000
const FILL = '/fill'
/** Every so many requests the tasks that hang without limit are abandoned, whatever else is going on. */
const REQUESTS_PER_DEADLINE = 100
const DEADLINE_MS = 20

const seed = Number(process.argv[2])
const ledger = new Ledger()
/** Some of the lists, which must be empty in the end. */
const lists: BackgroundTasks[] = []
let handled = 0
/** Handlers, late adds and drains under way. */
let busy = 0
let connections = 0
let rulesPrinted = 0
let admitted = 0
let forAbandoned = 0

process.on('unhandledRejection', (error) => ledger.problem(`unhandled rejection: ${error}`))
process.on('uncaughtException', (error) => ledger.problem(`uncaught exception: ${error?.stack}`))
process.on('warning', (warning) => ledger.problem(`warning: ${warning}`))
console.info = () => {}
console.error = (...line) => {
  const text = line.map(String).join(' ')
  if (/^background-tasks: runOn failed.* a rule threw/.test(text)) rulesPrinted++
  // What @hono/node-server says of a handler that threw, and of a body that broke.
  else if (!/the handler threw|the body broke|Premature close|aborted/i.test(text)) ledger.problem(`printed: ${text}`)
}

const optionsOf: Record<WrapperName, BackgroundTasksOptions> = {
  ordered: {},
  concurrent: { concurrency: 4 },
  strict: { stopOnError: true, runOn: 'success' },
  insistent: { retry: { attempts: 2, delayMs: 1 }, timeoutMs: 30_000, runOn: 'always' },
  abandoned: { concurrency: 2 },
}

const wrappers = Object.fromEntries(
  wrapperNames.map((name) => [
    name,
    withBackgroundTasks<unknown[]>(handle, {
      ...optionsOf[name],
      adapter: node(),
      maxPending: MAX_PENDING,
      onError: () => void ledger.counts.errors++,
      observer: ledger.observer(optionsOf[name].retry?.attempts ?? 1, name === 'abandoned'),
    }),
  ]),
) as Record<WrapperName, WrappedHandler<unknown[]>>
/** The request by number goes to the wrapper that its plan says. */
function route(request: Request, env: unknown): Response | Promise<Response> {
  const { wrapper } = planOf(seed, indexOf(request))
  if (wrapper === 'abandoned' && ++forAbandoned % REQUESTS_PER_DEADLINE === 0) void abandonSome()
  return wrappers[wrapper](request, env)
}

function handle(request: Request, tasks: BackgroundTasks): Response | Promise<Response> {
  if (request.url.endsWith(FILL)) return fill(tasks)
  const index = indexOf(request)
  const plan = planOf(seed, index)
  handled++
  if (index % 50 === 0) lists.push(tasks)
  for (const task of plan.tasks) addPlanned(tasks, task)
  for (let i = 0; i < plan.resources; i++) tasks.use(ledger.resource())
  return plan.upload === 'none' && plan.handlerTurns === 0 ? respond(plan, tasks) : respondLater(request, plan, tasks)
}

function indexOf(request: Request): number {
  return Number(request.url.slice(request.url.lastIndexOf('/') + 1))
}

async function respondLater(request: Request, plan: RequestPlan, tasks: BackgroundTasks): Promise<Response> {
  busy++
  try {
    for (let i = 0; i < plan.handlerTurns; i++) await turn()
    if (plan.upload !== 'none') await request.text()
    return respond(plan, tasks)
  } finally {
    busy--
  }
}

function respond({ throws, status, body, chunks, addsInBody }: RequestPlan, tasks: BackgroundTasks): Response {
  if (throws) throw new Error('the handler threw')
  if (body === 'fixed') return new Response('x'.repeat(chunks[0] as number), { status })
  const left = [...chunks]
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await turn()
      controller.enqueue(new Uint8Array(left.shift() as number).fill(120))
      if (left.length > 0) return
      if (addsInBody)
        addPlanned(tasks, { kind: 'rejectsUndefined', clears: false, uses: true, addsLate: true, adds: [] })
      if (body === 'streamed') controller.close()
      else controller.error(new Error('the body broke'))
    },
  })
  return new Response(stream, { status })
}

function addPlanned(tasks: BackgroundTasks, { kind, clears, uses, addsLate, adds }: TaskPlan): void {
  addTask(tasks, kind, () => {
    if (clears) tasks.clear()
    if (uses) tasks.use(ledger.resource())
    for (const each of adds) addPlanned(tasks, each)
    if (addsLate) void addLate(tasks)
  })
}

async function addLate(tasks: BackgroundTasks): Promise<void> {
  busy++
  for (let i = 0; i < 5; i++) await turn()
  addTask(tasks, 'throwsUndefined', () => {})
  busy--
}

async function abandonSome(): Promise<void> {
  busy++
  await wrappers.abandoned.drain({ timeoutMs: DEADLINE_MS })
  busy--
}

/** Waits until nothing is left to wait for, and looks whether that is so. */
async function checkpoint(): Promise<void> {
  await until(() => connections === 0 && busy === 0, 'the server has done with every request')
  // An abandoned task that still runs may add others.
  for (let round = 0; round < 5; round++) {
    await turn()
    await wrappers.abandoned.drain({ timeoutMs: 5 * DEADLINE_MS })
    for (const name of wrapperNames.filter((name) => name !== 'abandoned')) await drained(name)
    await until(() => busy === 0, 'nobody adds a task any more')
  }
  if (ledger.open > 0) ledger.problem(`${ledger.open} tasks have not ended after the drains`)
  for (const { size, pending } of lists.splice(0)) {
    if (size > 0 || pending.length > 0) ledger.problem(`a list has ${size} tasks, ${pending.length} pending, after all`)
  }
}

/** Drains without a deadline, which has to end all the same. */
async function drained(name: WrapperName): Promise<void> {
  let isDrained = false
  void wrappers[name].drain().then(() => {
    isDrained = true
  })
  await until(() => isDrained, `${name}: a drain, with ${ledger.open} tasks open`)
}

/** Where nothing is unsettled a drain has nothing to wait for, and a wrapper takes all of `maxPending`. */
async function checkUnsettled(): Promise<void> {
  for (const name of wrapperNames) {
    let drained = false
    void wrappers[name].drain().then(() => {
      drained = true
    })
    await turn()
    if (!drained) ledger.problem(`${name}: a drain waits, and nobody knows for what`)
    admitted = 0
    await wrappers[name](new Request(`http://localhost${FILL}`))
    if (admitted !== MAX_PENDING) ledger.problem(`${name}: ${MAX_PENDING - admitted} tasks are counted as unsettled`)
    await wrappers[name].drain()
  }
}

function fill(tasks: BackgroundTasks): Response {
  try {
    for (; admitted <= MAX_PENDING; admitted++) addTask(tasks, 'returns', () => {})
  } catch (error) {
    if ((error as Error).name !== 'TooManyTasksError') throw error
  }
  return new Response('full')
}

async function heap(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    await turn()
    gc?.()
  }
  return process.memoryUsage().heapUsed
}

answering(async ({ isEnd }: Question): Promise<Answer> => {
  let counts = ledger.counts
  try {
    await checkpoint()
    counts = { ...counts }
    if (isEnd) await checkUnsettled()
  } catch (error) {
    ledger.problem(String(error))
  }
  if (rulesPrinted !== rulesThrown) ledger.problem(`${rulesThrown} rules threw, ${rulesPrinted} were printed`)
  return { ...counts, handled, heap: await heap(), open: ledger.open, problems: ledger.problems }
})

const server = serve({ fetch: route, hostname: '127.0.0.1', port: 0 }, ({ port }) => process.send?.({ port })) as Server
server.on('connection', (socket) => {
  connections++
  socket.on('close', () => connections--)
})
