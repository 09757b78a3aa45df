/** A server on Node, started with its garbage collection at hand, that tells what is still in its memory. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Http2Bindings, type HttpBindings, serve } from '@hono/node-server'
import { type BackgroundTasks, withBackgroundTasks } from '../src/index.ts'

export type ServerQuestion = 'heap' | 'left'
export interface ServerAnswer {
  /** Bytes in use after a garbage collection. */
  heap: number
  /** By path and kind of object, how many are left of those that were looked at. */
  left: Record<string, number>
}

const storage = new AsyncLocalStorage<object>()
const tracked: [what: string, WeakRef<object>][] = []
const neverCalled: unknown[] = []

function streaming(): Response {
  return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(50_000)) }))
}

function done(_argument: object): void {}

async function failing(_argument: object): Promise<never> {
  throw new Error('a task failed')
}

function neverAnswered(_argument: object): Promise<unknown> {
  return new Promise((resolve) => neverCalled.push(resolve))
}

function answer(path: string, tasks: BackgroundTasks): Response {
  const argument = { big: new Array(100) }
  track(`${path} argument`, argument)
  tasks.add(path === '/hangs' ? neverAnswered : path === '/fails' ? failing : done, argument)
  tasks.add(done, argument)
  if (path === '/throws') throw new Error('the handler threw')
  return path === '/streams' ? streaming() : new Response('ok')
}

function track(what: string, object: object): void {
  if (!what.startsWith('/many')) tracked.push([what, new WeakRef(object)])
}

const handler = withBackgroundTasks(
  (request: Request, tasks: BackgroundTasks, env: HttpBindings | Http2Bindings) => {
    const path = new URL(request.url).pathname
    const store = { path }
    track(`${path} request`, request)
    track(`${path} outgoing`, env.outgoing)
    // Whatever waits for a promise keeps the stores it was begun with.
    if (path !== '/hangs') track(`${path} store`, store)
    const response = storage.run(store, answer, path, tasks)
    track(`${path} response`, response)
    return response
  },
  { onError: () => {} },
)

process.on('message', async (question: ServerQuestion | 'abandon') => {
  if (question === 'abandon') await handler.drain({ timeoutMs: 50 })
  else if (question === 'left') await handler.drain()
  const left = (): string[] => tracked.filter(([, reference]) => reference.deref() !== undefined).map(([what]) => what)
  for (let tries = 0; tries < 20 && (tries < 3 || left().length > 0); tries++) {
    await new Promise((resolve) => setImmediate(resolve))
    gc?.()
  }
  const counts: ServerAnswer['left'] = {}
  for (const what of left()) counts[what] = (counts[what] ?? 0) + 1
  process.send?.({ heap: process.memoryUsage().heapUsed, left: counts } satisfies ServerAnswer)
})
process.on('disconnect', () => process.exit())

// The errors of handlers, which are part of it.
console.error = () => {}
const server = serve({ fetch: handler, hostname: '127.0.0.1', port: 0 }, ({ port }) => process.send?.({ port }))
server.on('close', () => process.exit())
