/** A server on which one request leaves many tasks that burn CPU: drained by this library, or as a plain chain of promises. */
import { type HttpBindings, serve } from '@hono/node-server'
import { type BackgroundTasks, withBackgroundTasks } from 'background-tasks'
import { node } from 'background-tasks/node'
import { answering } from '../bench/_child.ts'

const tasksInAll = Number(process.argv[2])
const TASK_MS = 1
const { promise: chainOver, resolve: endChain } = Promise.withResolvers<void>()

export interface Question {
  kind: 'ours' | 'chain'
}

export interface Answer {
  /** CPU time of the whole process so far, in milliseconds. */
  cpuMs: number
}

function burn(): void {
  const end = performance.now() + TASK_MS
  while (performance.now() < end);
}

/** What one would write by hand: one after another, each awaited. */
async function runChain(): Promise<void> {
  for await (const task of Array(tasksInAll).fill(burn)) task()
  endChain()
}

const ours = withBackgroundTasks<unknown[]>(
  (_request: Request, tasks: BackgroundTasks) => {
    for (let i = 0; i < tasksInAll; i++) tasks.add(burn)
    return new Response('ok')
  },
  { adapter: node() },
)

function route(request: Request, env: unknown): Response | Promise<Response> {
  if (request.url.endsWith('/ours')) return ours(request, env)
  if (request.url.endsWith('/chain')) (env as HttpBindings).outgoing.once('close', runChain)
  return new Response('ok')
}

/** Answers when the tasks have ended. */
answering(async ({ kind }: Question): Promise<Answer> => {
  await (kind === 'ours' ? ours.drain() : chainOver)
  const { user, system } = process.cpuUsage()
  return { cpuMs: (user + system) / 1000 }
})

serve({ fetch: route, hostname: '127.0.0.1', port: 0 }, ({ port }) => process.send?.({ port }))
