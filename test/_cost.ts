/**
 * Run by Node without its optimizing compilers, and with room for all garbage: prints what one request costs, as JSON.
 * Everything is counted and nothing timed, so that a busy machine finds the same.
 */
import { createHook } from 'node:async_hooks'
import { type EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { GCProfiler, getHeapStatistics } from 'node:v8'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { type BackgroundTasks, withBackgroundTasks } from '../src/index.ts'

export type Kind = 'sync' | 'async'
/** A handler, and how many tasks it adds; `bare` is the one without this library. */
export type Row = `${Kind} ${'bare' | 0 | 1 | 10}`
export type LongRow = `${Kind} 400`
export type Counts = Record<string, number>
export interface Listeners {
  outgoing: Counts
  socket: Counts
}
export interface Costs {
  /** By event, when the handler has returned; of the last of several requests of one connection. */
  listeners: Record<Row | LongRow, Listeners>
  /** By kind, of all `requests`: promises, timers, whatever has an async context. */
  resources: Record<Row, Counts>
  requests: number
  /** Allocated on the heap for each request. */
  bytes: Record<Row, number>
  /** Garbage collections while bytes were counted. */
  collections: number
}

type Handler = (request: Request, env: HttpBindings) => Response | Promise<Response>

const WARM_UP = 50
const REQUESTS = 100
const GET = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')

let ran = 0
function task(): void {
  ran++
}

function addTasks(tasks: BackgroundTasks, count: number): void {
  for (let i = 0; i < count; i++) tasks.add(task)
}

function handlerOf(row: Row | LongRow): { handler: Handler; count: number } {
  const [kind, tasksOf] = row.split(' ')
  const count = Number(tasksOf)
  if (tasksOf === 'bare') {
    return { handler: kind === 'sync' ? () => new Response('ok') : async () => new Response('ok'), count: 0 }
  }
  const handler: Handler =
    kind === 'sync'
      ? withBackgroundTasks((_request: Request, tasks: BackgroundTasks, _env: HttpBindings) => {
          addTasks(tasks, count)
          return new Response('ok')
        })
      : withBackgroundTasks(async (_request: Request, tasks: BackgroundTasks, _env: HttpBindings) => {
          addTasks(tasks, count)
          return new Response('ok')
        })
  return { handler, count }
}

let handler: Handler
const answer = getRequestListener((request, env) => handler(request, env as HttpBindings))
const server = createServer((incoming, outgoing) => {
  // Its text is made anew by a timer, once a second.
  outgoing.sendDate = false
  return answer(incoming, outgoing)
})
await once(server.listen(0, '127.0.0.1'), 'listening')
const { port } = server.address() as AddressInfo

/** Sends requests one after another; each when the tasks of the one before it have run. */
type Send = (requests: number, before?: () => void) => Promise<void>

async function onConnection<T>(row: Row | LongRow, measure: (send: Send) => Promise<T>): Promise<T> {
  const { count, ...made } = handlerOf(row)
  handler = made.handler
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  let [left, wanted] = [0, 0]
  let before: (() => void) | undefined
  let done: () => void
  const next = (): void => {
    if (ran < wanted) {
      setImmediate(next)
      return
    }
    before?.()
    if (left-- === 0) {
      done()
      return
    }
    wanted += count
    socket.write(GET)
  }
  socket.on('data', () => setImmediate(next))
  const measured = await measure((requests, callback) => {
    left = requests
    wanted = ran
    before = callback
    return new Promise((resolve) => {
      done = resolve
      next()
    })
  })
  if (ran !== wanted) throw new Error(`${row}: ${ran - wanted} more tasks ran than were added`)
  socket.destroy()
  return measured
}

function listenersOf(emitter: EventEmitter): Counts {
  return Object.fromEntries(emitter.eventNames().map((event) => [String(event), emitter.listenerCount(event)]))
}

function countListeners(row: Row | LongRow): Promise<Listeners> {
  return onConnection(row, async (send) => {
    const looked = handler
    let found!: Listeners
    handler = (request, env) => {
      const look = (response: Response): Response => {
        found = { outgoing: listenersOf(env.outgoing), socket: listenersOf(env.incoming.socket) }
        return response
      }
      const response = looked(request, env)
      return response instanceof Response ? look(response) : response.then(look)
    }
    await send(12)
    return found
  })
}

function countBytes(row: Row): Promise<number> {
  return onConnection(row, async (send) => {
    await send(WARM_UP)
    const readings = new Float64Array(REQUESTS + 1)
    let read = 0
    await send(REQUESTS, () => {
      readings[read++] = getHeapStatistics().used_heap_size
    })
    const allocated = readings.subarray(1).map((reading, i) => reading - (readings[i] as number))
    // The median: now and then a table of somebody's grows.
    return allocated.sort()[REQUESTS / 2] as number
  })
}

function countResources(row: Row): Promise<Counts> {
  return onConnection(row, async (send) => {
    await send(WARM_UP)
    const counts: Counts = {}
    const hook = createHook({
      init(_id, type) {
        counts[type] = (counts[type] ?? 0) + 1
      },
    })
    hook.enable()
    await send(REQUESTS)
    hook.disable()
    return counts
  })
}

async function each<R extends Row | LongRow, T>(
  rows: readonly R[],
  count: (row: R) => Promise<T>,
): Promise<Record<R, T>> {
  const counted = {} as Record<R, T>
  for (const row of rows) counted[row] = await count(row)
  return counted
}

const rows: Row[] = ['sync bare', 'sync 0', 'sync 1', 'sync 10', 'async bare', 'async 0', 'async 1', 'async 10']
const listeners = await each<Row | LongRow, Listeners>([...rows, 'sync 400', 'async 400'], countListeners)
const profiler = new GCProfiler()
profiler.start()
const bytes = await each(rows, countBytes)
const collections = profiler.stop()?.statistics.length ?? Number.NaN
// A list that the machine interrupts for milliseconds gives up its turn, which is a promise and an immediate more.
Date.now = () => 0
const resources = await each(rows, countResources)
console.log(JSON.stringify({ listeners, resources, requests: REQUESTS, bytes, collections } satisfies Costs))
server.close()
