/**
 * The parts of pg-boss that are used.
 *
 * @module
 */

/** Runs a statement; what pg-boss calls a `db`. `fromKnex`, `fromDrizzle`, … of pg-boss make one of other clients. */
export interface SqlTransaction {
  /** Runs one statement with values for `$1`, `$2`, …; without values it may be several, separated by semicolons. */
  executeSql(text: string, values?: unknown[]): Promise<{ rows: any[] }>
}

/** A database as pg-boss has it. */
export interface DatabaseLike extends SqlTransaction {
  /** Hears notifications until the handle is closed, and connects again by itself. */
  listen?(channel: string, heard: (payload: string) => void, connected: () => void): Promise<HandleLike>
  beginTransaction?(): Promise<TransactionLike>
}

export interface HandleLike {
  close(): Promise<void>
}

export interface TransactionLike {
  readonly db: SqlTransaction
  commit(): Promise<void>
  /** Never rejects, and gives the connection back. */
  rollback(): Promise<void>
}

/** The start of a job, as pg-boss tells one from the next. */
export interface ClaimLike {
  readonly id: string
  readonly retryCount: number
}

export interface JobLike extends ClaimLike {
  readonly data: unknown
}

export interface RecordLike extends JobLike {
  readonly state: 'created' | 'retry' | 'active' | 'completed' | 'cancelled' | 'failed'
  readonly output: unknown
  readonly createdOn: Date
  readonly startedOn: Date | null
  readonly completedOn: Date | null
}

/** Not in its types, so that what it says is taken for a hint. */
export interface CommandLike {
  readonly affected?: number
}

type Db = { readonly db?: SqlTransaction }

/** A PgBoss of version 12. */
export interface PgBossLike {
  on(event: 'error' | 'stopped', listener: () => void): unknown
  start(): Promise<unknown>
  stop(options?: { graceful?: boolean; close?: boolean }): Promise<void>
  getDb(): DatabaseLike
  createQueue(name: string, options?: object): Promise<void>
  insert(name: string, jobs: any[], options?: Db): Promise<unknown>
  fetch(name: string, options: { batchSize: number }): Promise<JobLike[]>
  touch(name: string, claims: any[]): Promise<unknown>
  complete(name: string, claims: any, output: object): Promise<CommandLike>
  fail(name: string, claim: any, output: object, options?: Db): Promise<CommandLike>
  update(name: string, data: object | undefined, options: any): Promise<unknown>
  findJobs(name: string, options: { id: string }): Promise<RecordLike[]>
  previewSchedule(cron: string, options: { tz: string; count: number }): unknown
  schedule(name: string, cron: string, data: object, options: any): Promise<void>
  unschedule(name: string, key: string, options?: Db): Promise<void>
  supervise(): Promise<void>
}

export interface PgBossModuleLike {
  readonly PgBoss: new (options: object) => PgBossLike
  readonly fromPglite: (pglite: PGliteLike) => DatabaseLike
}

/** The part of a PGlite that is used. */
export interface PGliteLike {
  transaction<T>(work: (transaction: PGliteTransactionLike) => Promise<T>): Promise<T | undefined>
  close(): Promise<void>
}

export interface PGliteTransactionLike {
  query(text: string, values?: unknown[]): Promise<{ rows: any[] }>
  exec(text: string): Promise<{ rows: any[] }[]>
}

export interface PGliteModuleLike {
  readonly PGlite: { create(directory: string): Promise<PGliteLike> }
}
