/** What is behind a response: how long it waits for its own task, what others wait for, and what long lists take. */
import type { Socket } from 'node:net'
import { RawClient } from '../runtimes/_client.ts'
import type { Plan } from './_plan.ts'
import { answered, get, type Running, settled } from './_started.ts'
import type { System } from './_systems.ts'

export const BURN_MS = 200
const QUEUED = 100_000
/** A request is sent so often, whether or not the earlier ones were answered. */
const EVERY_MS = 5
/** Whoever waits so long waits for many tasks. */
const STARVED_MS = 100

export interface Latencies {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface Behind {
  /** Milliseconds to the full response of a request whose task burns CPU. */
  readonly burn: number[]
  /** What other requests take, in milliseconds, while one list drains. */
  readonly others: Latencies[]
  /** Bytes for each waiting task; undefined where that cannot be asked for. */
  readonly bytes: number | undefined
  /** By the number of tasks on one request: nanoseconds for each, from its `add` to the end of the last one. */
  readonly nanoseconds: Map<number, number[]>
}

export async function measureBehind(server: Running<System>, plan: Plan): Promise<Behind> {
  const { rounds, listTasks } = plan
  const burn: number[] = []
  const others: Latencies[] = []
  // Once, and first: an earlier list, were it freed meanwhile, would be subtracted. It is a count, and always the same.
  await bytesOf(server, 1_000)
  const bytes = await bytesOf(server, QUEUED)
  for (let round = 0; round < rounds.burn; round++) {
    burn.push((await get(server, `/burn?n=1&ms=${BURN_MS}`)).ms)
    await settled(server)
  }
  // Not counted, as a server is slower at the first of all it does.
  await latenciesBeside(server, listTasks / 4)
  // Who lets others wait for the whole list shows that in one round; who does not is told apart by many.
  for (let round = 0; round < rounds.others && (others[0]?.p50 ?? 0) < STARVED_MS; round++) {
    others.push(await latenciesBeside(server, listTasks))
  }
  return { burn, others, bytes, nanoseconds: await nanosecondsOf(server, plan) }
}

async function bytesOf(server: Running, tasks: number): Promise<number | undefined> {
  const { bytes } = JSON.parse((await get(server, `/bytes?n=${tasks}`)).body)
  await settled(server)
  return bytes
}

async function latenciesBeside(server: Running, tasks: number): Promise<Latencies> {
  using clients = new Clients(server)
  const asked: Promise<number>[] = []
  for (let i = 0; i < 4; i++) await clients.ask()
  const timer = setInterval(() => asked.push(clients.ask()), EVERY_MS)
  await get(server, `/burn?n=${tasks}&ms=1`)
  await settled(server, 20)
  clearInterval(timer)
  const sorted = (await Promise.all(asked)).toSorted((a, b) => a - b)
  const at = (part: number): number => sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] as number
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

/** As many as it takes: none waits behind the request of another. */
class Clients implements Disposable {
  readonly #server: Running
  readonly #idle: RawClient[] = []
  readonly #sockets = new Set<Socket>()

  constructor(server: Running) {
    this.#server = server
  }

  /** Milliseconds to the full response, and to a connection where none was idle. */
  async ask(): Promise<number> {
    const since = performance.now()
    const client = this.#take() ?? (await RawClient.to(this.#server.port))
    this.#sockets.add(client.socket)
    client.send({ path: '/0' })
    await answered(client, '/0')
    this.#idle.push(client)
    return performance.now() - since
  }

  #take(): RawClient | undefined {
    // A server closes one that was idle for long.
    for (let client = this.#idle.pop(); client; client = this.#idle.pop()) if (!client.socket.destroyed) return client
    return undefined
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

async function nanosecondsOf(
  server: Running<System>,
  { lengths, tasksOfLength, longestListMs }: Plan,
): Promise<Map<number, number[]>> {
  const figures = new Map<number, number[]>()
  let last = 0
  for (const length of lengths) {
    if (last * length > longestListMs * 1e6) break
    const times = Math.max(2, tasksOfLength / length)
    const measured: number[] = []
    const end = performance.now() + longestListMs
    for (let i = 0; i < times && performance.now() < end; i++) {
      await get(server, `/many?n=${length}`)
      measured.push(((await settled(server)).ms / length) * 1e6)
    }
    figures.set(length, measured)
    last = measured.at(-1) as number
  }
  return figures
}
