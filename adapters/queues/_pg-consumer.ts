/**
 * Takes the jobs of one task from pg-boss.
 *
 * By `fetch`, not by pg-boss's `work`: that one ends a job by itself when its handler has returned, and does not say whether
 * the server has heard it; it sleeps after every job, and sends a heartbeat for each one alone.
 *
 * @module
 */
import { hop, startTimer, stopTimer } from '../../src/adapter.ts'
import type { Consumer, Perform, Verdict } from './_engine.ts'
import type { ClaimLike, JobLike } from './_pg-boss-like.ts'
import { startsOf } from './_pg-record.ts'
import type { Store } from './_pg-store.ts'
import { Teller } from './_pg-teller.ts'

/** How often it looks without being told: for delayed jobs, ticks, and what is given back when a worker has died. */
const POLL_MS = 1000
/** The most jobs it takes at once. */
const BATCH = 100
/** How long it waits before it tells again how a job ended, while the server is away. */
const AGAIN_MS = 500

export interface ConsumerHost {
  readonly store: Store
  readonly leaseMs: number
  left(consumer: PgConsumer): Promise<void>
}

export class PgConsumer implements Consumer {
  readonly queue: string
  readonly #host: ConsumerHost
  readonly #teller: Teller
  readonly #concurrency: number
  readonly #perform: Perform
  readonly #claims: Set<ClaimLike> = new Set()
  /** What waits, and what ends that early. */
  readonly #waits: Map<unknown, () => void> = new Map()
  #poll: unknown
  #running = 0
  #taking: Promise<void> | undefined
  /** Something has come while it was looking. */
  #isStale = false
  #isStopped = false
  #isClosed = false

  constructor(host: ConsumerHost, queue: string, concurrency: number, perform: Perform) {
    this.queue = queue
    this.#host = host
    this.#teller = new Teller(host.store, queue)
    this.#concurrency = concurrency
    this.#perform = perform
    this.#look()
  }

  /** Takes jobs, as many as there is room for. */
  take(): void {
    this.#isStale = true
    this.#taking ??= this.#take()
  }

  async #take(): Promise<void> {
    try {
      while (this.#isStale) {
        // What ends in the same turn makes room for one batch.
        await hop()
        this.#isStale = false
        if (this.#isStopped) break
        // While some are being told of, as many others may run.
        const room = Math.min(this.#concurrency - this.#running, 2 * this.#concurrency - this.#claims.size)
        const batchSize = Math.min(BATCH, room)
        if (batchSize <= 0) break
        const jobs = await this.#host.store.boss.fetch(this.queue, { batchSize })
        for (const job of jobs) this.#run(job)
        if (jobs.length === batchSize) this.#isStale = true
      }
    } catch {
      // It looks again.
    }
    this.#taking = undefined
  }

  #look(): void {
    this.#poll = startTimer(() => this.#look(), POLL_MS)
    this.take()
  }

  /** Takes jobs when this is over. Longer than the poll it need not be exact. */
  takeAfter(ms: number): void {
    if (this.#isStopped || ms > 10 * POLL_MS) return
    if (ms === 0) this.take()
    else this.#wait(ms).then(() => this.take())
  }

  /** Says that its jobs still run. */
  async touch(): Promise<void> {
    if (this.#claims.size > 0) await this.#host.store.boss.touch(this.queue, [...this.#claims])
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    stopTimer(this.#poll)
    // What it brings has begun for the server, which would wait for this worker until the lease runs out.
    await this.#taking
  }

  async close(): Promise<void> {
    this.stop()
    this.#isClosed = true
    for (const end of [...this.#waits.values()]) end()
    await this.#host.left(this)
  }

  async #run(job: JobLike): Promise<void> {
    const { id, retryCount, data } = job
    const claim = { id, retryCount }
    this.#claims.add(claim)
    // Other people's jobs have no envelope.
    const text = String((data as { text?: unknown } | null)?.text ?? JSON.stringify(data))
    this.#running++
    const verdict = await this.#perform({ id, text, attempt: startsOf(job) })
    this.#running--
    this.take()
    const failure = await this.#tell(job, verdict).catch((error: unknown) => error ?? new Error('it was not heard'))
    this.#claims.delete(claim)
    verdict.settled(failure)
    if (verdict.type === 'retry') this.takeAfter(verdict.delayMs)
    this.take()
  }

  /** Tells how a job ended, as long as that may be of use. */
  async #tell(job: JobLike, verdict: Verdict): Promise<void> {
    const end = Date.now() + 3 * this.#host.leaseMs
    for (;;) {
      try {
        if (await this.#teller.tell(job, verdict)) return
      } catch (error) {
        if (this.#isClosed || Date.now() > end) throw error
        await this.#wait(AGAIN_MS)
        continue
      }
      throw new Error('the worker was taken for dead, and the job given to another one')
    }
  }

  /** Ends early when this is closed. */
  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        stopTimer(timer)
        this.#waits.delete(timer)
        resolve()
      }
      const timer = startTimer(end, ms)
      this.#waits.set(timer, end)
    })
  }
}
