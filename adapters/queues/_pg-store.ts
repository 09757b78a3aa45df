/**
 * Where pg-boss keeps its jobs: a PostgreSQL, a PGlite, or what a PgBoss of the user's has.
 *
 * @module
 */
import { within } from './_deadline.ts'
import type { Deadline, EngineSettings } from './_engine.ts'
import { load } from './_load.ts'
import type { DatabaseLike, PgBossLike, SqlTransaction } from './_pg-boss-like.ts'

export interface StoreSettings extends EngineSettings {
  readonly schema: string
}

export interface Store {
  readonly boss: PgBossLike
  /** Whether no other process can have jobs that run. */
  readonly isAlone?: boolean
  /** Runs statements that take effect together, and none of them after the deadline. */
  transaction<T>(work: (db: SqlTransaction) => Promise<T>, deadline?: Deadline): Promise<T>
  /** Starts a second one, for the work behind the scenes. Where the user's own does that there is none. */
  startKeeper?(): Promise<PgBossLike>
  close(): Promise<void>
}

/** What a PgBoss of ours does not do by itself: one that only sends is to be light. */
export const idle = { supervise: false, schedule: false, registerInstance: false } as const

/** What a keeper does. A claim of a second, as it is asked every other second, and late rather than early. */
export function keeping({ retentionMs }: StoreSettings): object {
  return {
    schedule: true,
    migrate: false,
    monitorIntervalSeconds: 1,
    cronMonitorIntervalSeconds: 5,
    cronWorkerIntervalSeconds: 1,
    maintenanceIntervalSeconds: Math.min(86_400, Math.ceil(retentionMs / 24_000)),
  }
}

/** Starts a PgBoss of ours; one that cannot leaves nothing behind. */
export async function start(boss: PgBossLike): Promise<PgBossLike> {
  // Without a listener the first outage would end the process. Whoever waits for an answer is told anyway.
  boss.on('error', () => {})
  try {
    await boss.start()
    return boss
  } catch (error) {
    await stop(boss)
    throw error
  }
}

/** How long a server may take to say goodbye. */
export const GOODBYE_MS = 1000

export async function stop(boss: PgBossLike): Promise<void> {
  await within(GOODBYE_MS, boss.stop({ graceful: false })).catch(() => {})
}

/** Uses a PgBoss of the user's, who starts and stops it. */
export function borrow(boss: PgBossLike): Store {
  return {
    boss,
    transaction: (work, deadline) => inTransaction(boss.getDb(), work, deadline),
    close: async () => {},
  }
}

/**
 * Runs statements in a transaction. A frozen server answers when it is thawed, to whatever it was sent: so the commit is
 * sent only after it has answered all the others, and is one message with a look at its own clock.
 */
export async function inTransaction<T>(
  db: DatabaseLike,
  work: (db: SqlTransaction) => Promise<T>,
  deadline?: Deadline,
): Promise<T> {
  // A `db` of the user's may have none. Then each statement counts for itself.
  if (!db.beginTransaction) return work(db)
  const transaction = await db.beginTransaction()
  const leftMs = deadline && 0.9 * (deadline.at - Date.now())
  try {
    deadline?.signal.throwIfAborted()
    const result = await work(transaction.db)
    deadline?.signal.throwIfAborted()
    if (leftMs === undefined) {
      await transaction.commit()
      return result
    }
    // What could keep the commit waiting comes before the look at the clock, where `now()` is when the transaction began,
    // as the server has said since. The chained one is empty and nobody waits for its end: a rollback after a plain commit
    // is a warning in the server's log.
    const inTime = `clock_timestamp() < now() + interval '${leftMs} ms'`
    await transaction.db.executeSql(`set constraints all immediate; select 1 / (${inTime})::int; commit and chain`)
    transaction.rollback()
    return result
  } catch (error) {
    transaction.rollback()
    // The division by zero of that look.
    if ((error as { code?: unknown }).code === '22012') throw new Error('the server was too slow', { cause: error })
    throw error
  }
}

export const loadPgBoss = <M>(): Promise<M> => load('pg-boss', () => import('pg-boss'))
