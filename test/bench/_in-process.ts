/** How long one call of a handler takes without any server: `node _in-process.ts <ms>` tells nanoseconds for each request, round by round. */
import { type BackgroundTasks, withBackgroundTasks } from 'background-tasks'

type Handler = (request: Request) => unknown
interface List {
  add(task: () => unknown): unknown
}

export type Row = 'bare' | 'hand-written 0' | 'hand-written 1' | 'ours 0' | 'ours 1'
export type Column = 'sync, new Request' | 'sync, same Requests' | 'async, new Request' | 'async, same Requests'
export type InProcessFigures = Record<Column, Record<Row, number[]>>

/** How long each column is measured. */
const COLUMN_MS = Number(process.argv[2])
const WARM_UP_ROUNDS = 20
/** A round is short: on a busy machine the long ones are all interrupted. */
const REQUESTS = 2_048
/** How many requests are under way at once. */
const BATCH = 64

const response = new Response('ok')
let ran = 0

function task(): void {
  ran++
}

/** The least that runs tasks after a response: no isolation, no order between tasks, no report, no drain. */
function handWritten(handler: (request: Request, list: List) => Response): Handler {
  return (request) => {
    const list: (() => unknown)[] = []
    const result = handler(request, { add: (added) => list.push(added) })
    if (list.length > 0) setImmediate(runAll, list)
    return result
  }
}

function handWrittenAsync(handler: (request: Request, list: List) => Promise<Response>): Handler {
  return async (request) => {
    const list: (() => unknown)[] = []
    const result = await handler(request, { add: (added) => list.push(added) })
    if (list.length > 0) setImmediate(runAll, list)
    return result
  }
}

function runAll(list: (() => unknown)[]): void {
  for (const each of list) each()
}

const sync: Record<Row, Handler> = {
  bare: () => response,
  'hand-written 0': handWritten(() => response),
  'ours 0': withBackgroundTasks(() => response),
  'hand-written 1': handWritten((_request, list) => {
    list.add(task)
    return response
  }),
  'ours 1': withBackgroundTasks((_request: Request, tasks: BackgroundTasks) => {
    tasks.add(task)
    return response
  }),
}

const async: Record<Row, Handler> = {
  bare: async () => response,
  'hand-written 0': handWrittenAsync(async () => response),
  'ours 0': withBackgroundTasks(async () => response),
  'hand-written 1': handWrittenAsync(async (_request, list) => {
    list.add(task)
    return response
  }),
  'ours 1': withBackgroundTasks(async (_request: Request, tasks: BackgroundTasks) => {
    tasks.add(task)
    return response
  }),
}

const newRequest = (): Request => new Request('http://localhost/')
const pool = Array.from({ length: BATCH }, newRequest)
const samePool = (i: number): Request => pool[i] as Request

const columns: Record<Column, { handlers: Record<Row, Handler>; request: (i: number) => Request }> = {
  'sync, new Request': { handlers: sync, request: newRequest },
  'sync, same Requests': { handlers: sync, request: samePool },
  'async, new Request': { handlers: async, request: newRequest },
  'async, same Requests': { handlers: async, request: samePool },
}

/** Nanoseconds for each request, its tasks and its share of a turn of the event loop included. */
async function measure(handler: Handler, request: (i: number) => Request): Promise<number> {
  const start = performance.now()
  for (let sent = 0; sent < REQUESTS; sent += BATCH) {
    let last: unknown
    for (let i = 0; i < BATCH; i++) last = handler(request(i))
    await last
    await new Promise((resolve) => setImmediate(resolve))
  }
  return ((performance.now() - start) / REQUESTS) * 1e6
}

const figures = {} as InProcessFigures
for (const [column, { handlers, request }] of Object.entries(columns)) {
  const rows = Object.keys(handlers) as Row[]
  const figuresOf = Object.fromEntries(rows.map((row) => [row, [] as number[]])) as Record<Row, number[]>
  const until = performance.now() + COLUMN_MS
  for (let round = 0; round <= WARM_UP_ROUNDS || performance.now() < until; round++) {
    for (const row of round % 2 === 0 ? rows : rows.toReversed()) {
      const before = ran
      const figure = await measure(handlers[row], request)
      if (round >= WARM_UP_ROUNDS) figuresOf[row].push(figure)
      if (ran - before !== (row.endsWith('1') ? REQUESTS : 0)) throw new Error(`${row}: ${ran - before} tasks ran`)
    }
  }
  figures[column as Column] = figuresOf
}
process.send?.(figures)
