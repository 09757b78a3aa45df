/**
 * The jobs that run in one worker, with their locks. These run out on the server when nobody renews them, which BullMQ does,
 * and then the jobs are run again. But an outage of the server is not the death of a worker.
 *
 * @module
 */
import { startTimer, stopTimer } from '../../src/adapter.ts'
import type { BackendLike, RedisLike } from './_bullmq-like.ts'
import type { Verdict } from './_engine.ts'

/** A job that runs. */
export interface Lease {
  readonly token: string
  /** How it ended, from when that is being told to the server. */
  verdict: Verdict | undefined
  toldAt: number
}

/** How often it is looked who waits for the server in vain. */
const LOOK_MS = 250

export class Leases {
  readonly #client: RedisLike
  readonly #backend: BackendLike
  readonly #leaseMs: number
  /** By the ids of the jobs. */
  readonly #held: Map<string, Lease> = new Map()
  #timer: unknown

  constructor(client: RedisLike, backend: BackendLike, leaseMs: number) {
    this.#client = client
    this.#backend = backend
    this.#leaseMs = leaseMs
    client.on('ready', this.#reconnected)
  }

  hold(id: string, token: string): Lease {
    const lease: Lease = { token, verdict: undefined, toldAt: 0 }
    this.#held.set(id, lease)
    return lease
  }

  release(id: string): void {
    this.#held.delete(id)
  }

  /** Locks jobs again whose locks have run out, but that nobody has taken: all that run, or some of them. */
  regain(ids: Iterable<string> = this.#held.keys()): void {
    for (const id of ids) this.regained(id).catch(() => {})
  }

  /** The same for one; whether it is locked by us then. */
  async regained(id: string): Promise<boolean> {
    const token = this.#held.get(id)?.token
    if (token === undefined || !(await this.#backend.isJobInState('active', id))) return false
    const key = this.#backend.toKey(`${id}:lock`)
    await this.#client.set(key, token, 'PX', this.#leaseMs, 'NX')
    return (await this.#client.get(key)) === token
  }

  /** The worker is being closed: from now on the server has this long to answer how a job ended. */
  hurry(ms: number): void {
    const since = Date.now()
    const look = (): void => {
      const now = Date.now()
      for (const { verdict, toldAt } of this.#held.values()) {
        if (now - Math.max(since, toldAt) >= ms) verdict?.settled(new Error(`no answer within ${ms} ms`))
      }
      this.#timer = startTimer(look, LOOK_MS)
    }
    this.#timer ??= startTimer(look, LOOK_MS)
  }

  /** Nothing runs any more. */
  stop(): void {
    stopTimer(this.#timer)
    this.#client.off('ready', this.#reconnected)
  }

  readonly #reconnected = (): void => this.regain()
}
