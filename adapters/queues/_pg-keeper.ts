/**
 * What goes on behind the scenes of a process that works: signs of life, word of new jobs, schedules, and the jobs of
 * workers that have died.
 *
 * @module
 */
import { startTimer, stopTimer } from '../../src/adapter.ts'
import type { Perform } from './_engine.ts'
import { once } from './_once.ts'
import type { HandleLike, PgBossLike } from './_pg-boss-like.ts'
import { type ConsumerHost, PgConsumer } from './_pg-consumer.ts'
import { CHANNEL } from './_pg-names.ts'
import { type Store, stop } from './_pg-store.ts'

/** How often it beats. The shortest lease is 10 s, whatever that of this process is. */
const BEAT_MS = 2000

/** Stops for good when its last consumer has left. */
export class Keeper implements ConsumerHost {
  readonly store: Store
  readonly leaseMs: number
  isStopped = false
  readonly #consumers: Set<PgConsumer> = new Set()
  #next: unknown
  readonly #listen: () => Promise<void>
  readonly #start: () => Promise<void>
  #joining = 0
  #ear: HandleLike | undefined
  #helper: PgBossLike | undefined
  #supervising: Promise<void> | undefined
  #beatAt: number = Date.now()
  /** When the server was away, and with it everybody's signs of life: all get time for new ones. */
  #troubledAt: number

  constructor(store: Store, leaseMs: number) {
    this.store = store
    this.leaseMs = leaseMs
    // One that starts does not know what was before, with the others.
    this.#troubledAt = store.isAlone ? 0 : Date.now()
    const wake = (queue?: string): void => this.wake(queue)
    this.#listen = once(async () => {
      const ear = await store.boss.getDb().listen?.(CHANNEL, wake, wake)
      if (this.isStopped) await ear?.close()
      else this.#ear = ear
    })
    this.#start = once(async () => {
      const helper = await store.startKeeper?.()
      if (this.isStopped && helper) await stop(helper)
      else this.#helper = helper
    })
    this.#beat()
  }

  /** Starts to take the jobs of a queue. */
  async consume(queue: string, concurrency: number, perform: Perform, signal: AbortSignal): Promise<PgConsumer> {
    this.#joining++
    try {
      // Whoever starts a worker wants to know whether the server is there.
      await this.#ask()
      signal.throwIfAborted()
      const consumer = new PgConsumer(this, queue, concurrency, perform)
      this.#consumers.add(consumer)
      return consumer
    } finally {
      this.#joining--
      await this.#rest()
    }
  }

  /** There are jobs, at once or soon. */
  wake(queue?: string, delayMs = 0): void {
    for (const consumer of this.#consumers) {
      if (queue === undefined || consumer.queue === queue) consumer.takeAfter(delayMs)
    }
  }

  async left(consumer: PgConsumer): Promise<void> {
    this.#consumers.delete(consumer)
    await this.#rest()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
  }

  async #rest(): Promise<void> {
    if (this.isStopped || this.#joining > 0 || this.#consumers.size > 0) return
    this.isStopped = true
    stopTimer(this.#next)
    await Promise.allSettled([this.#ear?.close(), this.#helper && stop(this.#helper)])
  }

  async #beat(): Promise<void> {
    const now = Date.now()
    // The machine slept, and with it perhaps the others.
    if (now - this.#beatAt > this.leaseMs) this.#troubledAt = now
    this.#beatAt = now
    try {
      // First, as a task of this process may just have kept it busy. Also where nothing runs, to know of an outage.
      const signs = [...this.#consumers].map((consumer) => consumer.touch())
      await Promise.all([this.#ask(), ...signs])
    } catch {
      this.#troubledAt = Date.now()
    }
    if (this.isStopped) return
    // A database that cannot tell of new jobs is no trouble: the consumers look by themselves.
    this.#listen().catch(() => {})
    this.#start().catch(() => {})
    this.#next = startTimer(() => this.#beat(), BEAT_MS)
    if (now - this.#troubledAt <= this.leaseMs) return
    // Not waited for: it may take longer than a beat.
    this.#supervising ??= this.#supervise().finally(() => {
      this.#supervising = undefined
    })
  }

  /** Whether the server is there. */
  async #ask(): Promise<void> {
    await this.store.boss.getDb().executeSql('select 1')
  }

  async #supervise(): Promise<void> {
    await this.#helper?.supervise().catch(() => {})
  }
}
