/** One kind of server on @hono/node-server: `node _server.ts <kind>`. Tells its port, then counts what it is asked for. */
import { serve } from '@hono/node-server'
import { type BackgroundTasks, withBackgroundTasks } from 'background-tasks'
import { backgroundTasks } from 'background-tasks/hono'
import { Hono } from 'hono'
import { answering } from './_child.ts'

interface Environment {
  outgoing: { once(event: 'close', listener: () => void): unknown }
}

export interface ServerFigures {
  served: number
  ran: number
  /** CPU time of the whole process so far, in microseconds. */
  cpuUs: number
}

let served = 0
let ran = 0

function task(): void {
  ran++
}

function respond(): Response {
  served++
  return new Response('ok')
}

function withTasks(count: number): (request: Request, ...platform: unknown[]) => Response | Promise<Response> {
  return withBackgroundTasks((_request: Request, tasks: BackgroundTasks) => {
    for (let i = 0; i < count; i++) tasks.add(task)
    return respond()
  })
}

const kinds = {
  bare: respond,
  'hand-written 1': (_request: Request, env: Environment) => {
    env.outgoing.once('close', task)
    return respond()
  },
  'ours 0': withTasks(0),
  'ours 1': withTasks(1),
  'ours 10': withTasks(10),
  hono: new Hono().get('/', (c) => {
    served++
    return c.text('ok')
  }).fetch,
  'hono ours 1': new Hono().use(backgroundTasks()).get('/', (c) => {
    c.var.tasks.add(task)
    served++
    return c.text('ok')
  }).fetch,
}

export type Kind = keyof typeof kinds

const fetch = kinds[process.argv[2] as Kind] as (request: Request, env: unknown) => Response | Promise<Response>
serve({ fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => process.send?.({ port }))

answering((): ServerFigures => {
  const { user, system } = process.cpuUsage()
  return { served, ran, cpuUs: user + system }
})
