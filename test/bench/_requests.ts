/** Requests per second of several servers, in turns. */
import { Child } from './_child.ts'
import type { Load, LoadFigures } from './_load.ts'
import type { Plan } from './_plan.ts'
import { type Running, settled } from './_started.ts'

const CONNECTIONS = 8

/** How many tasks each request adds. */
export type Count = 0 | 1 | 10

export interface Slots {
  readonly perSecond: number[]
  /** Microseconds of CPU time that the server took for each request and its tasks; nothing where that is not known. */
  readonly cpuUs: number[]
  /** Which part of a CPU sending took: near 1 it is what limits. */
  readonly loadCpu: number[]
}

/** By the id of a server and the number of tasks: `fastify-on-response 1`. */
export type Requests = Map<string, Slots>

/** Goes on until `until`, but for one round at least. */
export async function measureRequests(
  servers: readonly Running[],
  into: Requests,
  plan: Plan,
  until: number,
): Promise<void> {
  using load = new Child('./_load.ts')
  const kinds = servers.flatMap((server) =>
    ('bare' in server.system ? ([0, 1, 10] as const) : ([0] as const)).map((count) => ({ server, count })),
  )
  const send = (server: Running, count: Count, seconds: number): Promise<LoadFigures> =>
    load.ask({
      url: `http://127.0.0.1:${server.port}/${count}`,
      seconds,
      connections: CONNECTIONS,
    } satisfies Load)
  for (const { server, count } of kinds) await send(server, count, plan.warmUpSeconds)
  for (let round = 0; round === 0 || performance.now() < until; round++) {
    for (const { server, count } of round % 2 === 0 ? kinds : kinds.toReversed()) {
      const before = await settled(server)
      const { perSecond, cpu } = await send(server, count, plan.slotSeconds)
      const after = await settled(server)
      const served = after.served - before.served
      if (after.ran - before.ran !== served * count)
        throw new Error(`${server.system.id}: ${after.ran - before.ran} tasks ran for ${served} requests`)
      const slots = slotsOf(into, server.system.id, count)
      slots.perSecond.push(perSecond)
      slots.loadCpu.push(cpu)
      if (after.cpuUs !== undefined && before.cpuUs !== undefined)
        slots.cpuUs.push((after.cpuUs - before.cpuUs) / served)
    }
  }
}

function slotsOf(requests: Requests, id: string, count: Count): Slots {
  const key = `${id} ${count}`
  const slots = requests.get(key) ?? { perSecond: [], cpuUs: [], loadCpu: [] }
  requests.set(key, slots)
  return slots
}
