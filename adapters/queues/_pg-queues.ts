/**
 * The queues of pg-boss, one for each task, and what is put into them.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import type { Deadline, EngineSettings, Job } from './_engine.ts'
import { once } from './_once.ts'
import type { PgBossLike, SqlTransaction } from './_pg-boss-like.ts'
import { announce, nameOf, uuidOf } from './_pg-names.ts'
import type { Store } from './_pg-store.ts'

/** Far beyond all attempts: those are the library's to count. */
const RETRY_LIMIT = 1_000_000
/** Over sixty years. What has waited longer, pg-boss deletes. */
const WAIT_SECONDS = 2_000_000_000
/** The most that pg-boss allows. */
const EXPIRE_SECONDS = 86_400

export class PgQueues {
  /** Goes with every job, as a queue that exists keeps what it was made with. */
  readonly jobOptions: Readonly<Record<string, unknown>>
  readonly #made: Map<string, () => Promise<void>> = new Map()

  constructor({ leaseMs, retentionMs }: EngineSettings) {
    this.jobOptions = {
      retryLimit: RETRY_LIMIT,
      retryDelay: 0,
      retryBackoff: false,
      expireInSeconds: EXPIRE_SECONDS,
      heartbeatSeconds: Math.ceil(leaseMs / 1000),
      retentionSeconds: WAIT_SECONDS,
      deleteAfterSeconds: Math.ceil(retentionMs / 1000),
    }
  }

  /** The name of a task's queue, which is made where it is not there. */
  async of(boss: PgBossLike, { name }: Task): Promise<string> {
    const queue = nameOf(name)
    let made = this.#made.get(queue)
    if (!made) {
      made = once(() => boss.createQueue(queue, this.jobOptions))
      this.#made.set(queue, made)
    }
    await made()
    return queue
  }

  /** Sends jobs: those of a transaction in that one, all others together. */
  async send({ boss, transaction }: Store, jobs: readonly Job<SqlTransaction>[], deadline: Deadline): Promise<void> {
    for (const { task } of jobs) await this.of(boss, task)
    const own = jobs.filter((job) => job.transaction === undefined)
    try {
      for (const db of new Set(jobs.map((job) => job.transaction))) {
        if (db)
          await this.#insert(
            boss,
            db,
            jobs.filter((job) => job.transaction === db),
          )
      }
      // Last, as the caller can still roll those back.
      if (own.length > 0) await transaction((db) => this.#insert(boss, db, own), deadline)
    } catch (error) {
      // It may be that somebody has deleted one of them.
      for (const { task } of jobs) this.#made.delete(nameOf(task.name))
      throw error
    }
  }

  async #insert(boss: PgBossLike, db: SqlTransaction, jobs: readonly Job<SqlTransaction>[]): Promise<void> {
    const rows = new Map<string, object[]>()
    for (const { task, id, text, priority, delayMs } of jobs) {
      const queue = nameOf(task.name)
      const list = rows.get(queue) ?? []
      rows.set(queue, list)
      const startAfter = `${delayMs} ms`
      list.push({ ...this.jobOptions, id: uuidOf(task.name, id), data: { text }, priority, startAfter })
    }
    for (const [queue, list] of rows) await boss.insert(queue, list, { db })
    const ready = jobs.filter(({ delayMs }) => delayMs === 0).map(({ task }) => nameOf(task.name))
    await announce(db, [...new Set(ready)])
  }
}
