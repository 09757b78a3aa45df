/** Requests per second of several servers, in turns. */
import { Child } from './_child.ts'
import type { Load, LoadFigures } from './_load.ts'
import type { Plan } from './_plan.ts'
import { type Running, settled } from './_started.ts'
import type { Bare, System } from './_systems.ts'

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

/** One server with so many tasks for each request. */
interface Kind {
  readonly id: string
  readonly count: Count
}

/** A server beside its base: each slot of one was measured right before or after that of the other. */
export interface Pair {
  readonly own: Kind
  readonly base: Kind
  readonly ownSlots: Slots
  readonly baseSlots: Slots
}

/** By {@link keyOf}. */
export type Requests = Map<string, Pair>

/** `fastify-on-response 1 : fastify-bare 0` */
export function keyOf(own: Kind, base: Kind): string {
  return `${own.id} ${own.count} : ${base.id} ${base.count}`
}

/** What is compared: each count with the bare handler, and one task with that by hand. */
function pairsOf(servers: readonly Running<Bare | System>[]): [own: Kind, base: Kind][] {
  return servers.flatMap(({ system }) => {
    if (!('bare' in system)) return []
    const { id, bare, byHand } = system
    const beside = ([0, 1, 10] as const).map((count): [Kind, Kind] => [
      { id, count },
      { id: bare, count: 0 },
    ])
    return byHand
      ? [
          ...beside,
          [
            { id, count: 1 },
            { id: byHand, count: 1 },
          ],
        ]
      : beside
  })
}

/** Of ours the pairs for which a share is required: what is a per cent or two can be told from chance by many rounds only. */
function requiredOf(pairs: readonly [own: Kind, base: Kind][], servers: readonly Running<Bare | System>[]) {
  const ids = servers.flatMap(({ system }) => ('isOurs' in system && system.byHand ? [system.id] : []))
  return pairs.filter(([own, base]) => own.count === base.count && ids.includes(own.id))
}

/** Goes on until `until`, but for one round at least. */
export async function measureRequests(
  servers: readonly Running<Bare | System>[],
  into: Requests,
  plan: Plan,
  until: number,
): Promise<void> {
  using load = new Child('./_load.ts')
  const byId = new Map(servers.map((server) => [server.system.id, server]))
  const pairs = pairsOf(servers)

  const measure = async ({ id, count }: Kind, seconds: number, slots?: Slots): Promise<void> => {
    const server = byId.get(id) as Running
    const before = await settled(server)
    const { perSecond, cpu }: LoadFigures = await load.ask({
      port: server.port,
      path: `/${count}`,
      leadSeconds: plan.leadSeconds,
      seconds,
      connections: CONNECTIONS,
    } satisfies Load)
    const after = await settled(server)
    const served = after.served - before.served
    if (after.ran - before.ran !== served * count)
      throw new Error(`${id}: ${after.ran - before.ran} tasks ran for ${served} requests`)
    slots?.perSecond.push(perSecond)
    slots?.loadCpu.push(cpu)
    if (after.cpuUs !== undefined && before.cpuUs !== undefined)
      slots?.cpuUs.push((after.cpuUs - before.cpuUs) / served)
  }

  // Each for as long, one that has no tasks too: otherwise it is their compilers that are compared.
  for (const { system } of servers) {
    const counts = new Set(pairs.flat().flatMap(({ id, count }) => (id === system.id ? [count] : [])))
    for (const count of counts) await measure({ id: system.id, count }, plan.warmUpSeconds / counts.size)
  }
  const required = requiredOf(pairs, servers)
  const turns = [...pairs, ...required, ...required]
  for (let round = 0; round < 1 || performance.now() < until; round++) {
    for (const [own, base] of round % 2 === 0 ? turns : turns.toReversed()) {
      const { ownSlots, baseSlots } = pairIn(into, own, base)
      const sides = [() => measure(own, plan.slotSeconds, ownSlots), () => measure(base, plan.slotSeconds, baseSlots)]
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) await side()
    }
  }
}

function pairIn(requests: Requests, own: Kind, base: Kind): Pair {
  const empty = (): Slots => ({ perSecond: [], cpuUs: [], loadCpu: [] })
  const pair = requests.get(keyOf(own, base)) ?? { own, base, ownSlots: empty(), baseSlots: empty() }
  requests.set(keyOf(own, base), pair)
  return pair
}
