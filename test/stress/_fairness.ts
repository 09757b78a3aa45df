/** How long other requests take while one request drains its tasks. */
import type { Socket } from 'node:net'
import { connected } from '../_server.ts'
import { Child } from '../bench/_child.ts'
import type { Answer, Question } from './_fairness-server.ts'

/** In milliseconds, but for `requests` and `cpu`. */
export interface Latencies {
  requests: number
  p50: number
  p99: number
  max: number
  /** How long it went on. */
  duration: number
  /** Which part of a CPU the server had meanwhile: the machine took the rest away. */
  cpu: number
}

export interface FairnessFigures {
  /** While nothing else happens: what the machine and the client take by themselves. */
  idle: Latencies
  /** While the tasks of this library run, round by round. */
  ours: Latencies[]
  /** While the same tasks run in a plain chain of promises. */
  chain: Latencies
}

const SOCKETS = 8
/** A request is sent so often, whether or not the earlier ones were answered. */
const EVERY_MS = 3

/** Measures with lists of so many tasks of 1 ms each. */
export async function runFairness(tasks: number, rounds: number): Promise<FairnessFigures> {
  using server = new Child(new URL('./_fairness-server.ts', import.meta.url).href, [`${tasks}`])
  const { port } = await server.answer<{ port: number }>()
  using clients = new Clients(await Promise.all(Array.from({ length: SOCKETS }, () => connected(port))))

  const drained = (kind: Question['kind']): Promise<Answer> => server.ask<Answer>({ kind } satisfies Question)
  const during = async (busy: () => Promise<unknown>): Promise<Latencies> => {
    const before = await drained('ours')
    const started = performance.now()
    const latencies = await clients.askDuring(busy)
    const duration = performance.now() - started
    const { cpuMs } = await drained('ours')
    return { ...latencies, duration, cpu: (cpuMs - before.cpuMs) / duration }
  }
  const idle = (): Promise<Latencies> => during(() => new Promise((resolve) => setTimeout(resolve, tasks)))
  const busy = (kind: Question['kind']): Promise<Latencies> =>
    during(async () => {
      await clients.ask(`/${kind}`)
      await drained(kind)
    })

  await idle()
  const figures = { idle: await idle(), ours: [] as Latencies[] }
  for (let round = 0; round < rounds; round++) figures.ours.push(await busy('ours'))
  return { ...figures, chain: await busy('chain') }
}

/** Connections that are kept, as a new one would also wait for its being accepted; several requests may wait on each. */
class Clients implements Disposable {
  readonly #sockets: readonly Socket[]
  readonly #waiting = new Map<Socket, ((ms: number) => void)[]>()
  #asked = 0

  constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
    for (const socket of sockets) {
      const waiting: ((now: number) => void)[] = []
      this.#waiting.set(socket, waiting)
      socket.on('data', (chunk) => {
        const responses = chunk.toString('latin1').split('HTTP/1.1 200').length - 1
        for (const answered of waiting.splice(0, responses)) answered(performance.now())
      })
    }
  }

  /** Milliseconds until the response has come. */
  ask(path: string): Promise<number> {
    const socket = this.#sockets[this.#asked++ % this.#sockets.length] as Socket
    const since = performance.now()
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
    return new Promise((resolve) => this.#waiting.get(socket)?.push((now) => resolve(now - since)))
  }

  async askDuring(busy: () => Promise<unknown>): Promise<Pick<Latencies, 'requests' | 'p50' | 'p99' | 'max'>> {
    const asked: Promise<number>[] = []
    const timer = setInterval(() => asked.push(this.ask('/')), EVERY_MS)
    await busy()
    clearInterval(timer)
    const sorted = (await Promise.all(asked)).toSorted((a, b) => a - b)
    const at = (part: number): number => sorted[Math.ceil(sorted.length * part) - 1] as number
    return { requests: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) }
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
