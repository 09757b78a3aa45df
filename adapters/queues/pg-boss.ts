/**
 * A durable queue in PostgreSQL, by pg-boss: on a server, or on PGlite inside this process.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import type { TaskQueue } from '../../src/queue.ts'
import { isObject, type Rules, refuse } from '../../src/rules.ts'
import {
  type Consumer,
  type Deadline,
  type Engine,
  type EngineOptions,
  type EngineRecord,
  type EngineSettings,
  engineRules,
  engineSettings,
  type Job,
  type Perform,
} from './_engine.ts'
import { once } from './_once.ts'
import type { PgBossLike, SqlTransaction } from './_pg-boss-like.ts'
import { Keeper } from './_pg-keeper.ts'
import { isUuid, nameOf, uuidOf } from './_pg-names.ts'
import { PgQueues } from './_pg-queues.ts'
import { recordOf } from './_pg-record.ts'
import { borrow, type Store } from './_pg-store.ts'
import { openPglite } from './_pglite.ts'
import { openPostgres } from './_postgres.ts'
import { taskQueue } from './_task-queue.ts'

export type { DatabaseLike, PgBossLike, SqlTransaction } from './_pg-boss-like.ts'

/** Options of {@link pgBoss}: exactly one of `url`, `directory` and `boss`. */
export interface PgBossOptions extends EngineOptions {
  /** Where a PostgreSQL 15 or newer is: `postgres://user:password@host:5432/database`. */
  readonly url?: string | undefined
  /** Where PGlite keeps its files, which is made if it is not there. It has one process, and one queue. */
  readonly directory?: string | undefined
  /**
   * A PgBoss that was started. Its owner stops it, listens to its `error` event, and sets its intervals: the jobs of a
   * worker that died wait for its `superviseIntervalSeconds` and `monitorIntervalSeconds`.
   */
  readonly boss?: PgBossLike | undefined
  /**
   * The schema for the tables, not with `boss`: letters, digits and underscores.
   *
   * @default 'pgboss'
   */
  readonly schema?: string | undefined
}

type Settings = EngineSettings & Pick<PgBossOptions, 'url' | 'directory' | 'boss'> & { readonly schema: string }

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

const rules: Rules = {
  ...engineRules,
  url: [undefined, "a string such as 'postgres://localhost/app'", isText],
  directory: [undefined, 'the path of a directory', isText],
  boss: [undefined, 'a PgBoss', (value) => isObject(value) && 'getDb' in value],
  schema: ['pgboss', 'letters, digits and underscores', (value) => /^[a-z_]\w{0,49}$/i.test(value)],
}

const WHAT = 'create the pg-boss queue'

/**
 * Makes a queue in PostgreSQL. It opens itself at the first call, and makes its tables where there are none. It needs the
 * package `pg-boss`, with a `directory` also `@electric-sql/pglite`.
 *
 * @example
 * ```ts
 * import { defineTask, withBackgroundTasks } from 'background-tasks'
 * import { pgBoss } from 'background-tasks/queues/pg-boss'
 *
 * const greet = defineTask({ name: 'greet', run: (name: string) => console.log('hello', name) })
 * const queue = pgBoss({ directory: './tasks' }) // or { url: 'postgres://localhost/app' }
 * await queue.work([greet], { concurrency: 5 })
 *
 * export const handler = withBackgroundTasks(
 *   (_request, tasks) => Response.json({ id: tasks.add(greet, 'ada') }, { status: 202 }),
 *   { queue },
 * )
 * export const shutdown = () => queue.close()
 * ```
 *
 * @param options see {@link PgBossOptions}
 * @throws {TypeError} an option is not what it must be
 */
export function pgBoss(options: PgBossOptions): TaskQueue<SqlTransaction> {
  const settings = engineSettings<Settings>(rules, options, WHAT)
  const given = (['url', 'directory', 'boss'] as const).filter((name) => settings[name] !== undefined)
  if (given.length !== 1) refuse('options', "an object with exactly one of 'url', 'directory' and 'boss'", given, WHAT)
  return taskQueue(new PgBossEngine(settings), settings)
}

const EMBEDDED: Engine['lacks'] = {
  processes: 'a directory of PGlite has one process, the one that opened it',
  transaction: 'nobody else has a connection to the database in the directory',
}

class PgBossEngine implements Engine<SqlTransaction> {
  readonly name = 'pg-boss'
  readonly limits: Engine['limits']
  readonly lacks: Engine['lacks']
  /** PGlite takes 1 to 7 s to make its files, and some thirty where others keep the processors busy. */
  readonly openingMs: number | undefined
  readonly #settings: Settings
  readonly #queues: PgQueues
  readonly #opened: () => Promise<Store>
  #store: Store | undefined
  #keeper: Keeper | undefined
  #isClosed = false

  constructor(settings: Settings) {
    const { payloadBytes, directory } = settings
    this.limits = { payloadBytes, delayStepMs: 1, maxDelayMs: 365 * 86_400_000, scheduleStepMs: 60_000 }
    this.lacks = directory === undefined ? {} : EMBEDDED
    this.openingMs = directory === undefined ? undefined : 120_000
    this.#settings = settings
    this.#queues = new PgQueues(settings)
    this.#opened = once(async () => {
      const store = await openStore(settings)
      this.#store = store
      if (this.#isClosed) await store.close()
      return store
    })
  }

  async open(): Promise<void> {
    await this.#opened()
  }

  async send(jobs: readonly Job<SqlTransaction>[], deadline: Deadline): Promise<void> {
    const store = await this.#opened()
    await this.#queues.send(store, jobs, deadline)
    for (const { task, delayMs } of jobs) this.#keeper?.wake(nameOf(task.name), delayMs)
  }

  async find(task: Task, id: string): Promise<EngineRecord | undefined> {
    const { boss } = await this.#opened()
    const queue = await this.#queues.of(boss, task)
    let [found] = await boss.findJobs(queue, { id: uuidOf(task.name, id) })
    // A tick has the id that pg-boss gave it.
    if (!found && isUuid(id)) [found] = await boss.findJobs(queue, { id })
    return found && recordOf(found)
  }

  async schedule(task: Task, key: string, cron: string, tz: string, text: string, deadline: Deadline): Promise<void> {
    const { boss, transaction } = await this.#opened()
    try {
      boss.previewSchedule(cron, { tz, count: 1 })
    } catch (cause) {
      throw new TypeError(`Cannot schedule the task '${task.name}' as 'cron' is wrong: ${(cause as Error).message}`)
    }
    const queue = await this.#queues.of(boss, task)
    const options = { ...this.#queues.jobOptions, key: nameOf(key), tz, missed: 'once' }
    await transaction((db) => boss.schedule(queue, cron, { text }, { ...options, db }), deadline)
  }

  async unschedule(task: Task, key: string, deadline: Deadline): Promise<void> {
    const { boss, transaction } = await this.#opened()
    await transaction((db) => boss.unschedule(nameOf(task.name), nameOf(key), { db }), deadline)
  }

  async consume(task: Task, concurrency: number, perform: Perform, { signal }: Deadline): Promise<Consumer> {
    const store = await this.#opened()
    const queue = await this.#queues.of(store.boss, task)
    if (!this.#keeper || this.#keeper.isStopped) this.#keeper = new Keeper(store, this.#settings.leaseMs)
    return this.#keeper.consume(queue, concurrency, perform, signal)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#keeper?.close()
    await this.#store?.close()
  }
}

function openStore(settings: Settings): Promise<Store> | Store {
  const { url, directory, boss } = settings
  if (url !== undefined) return openPostgres(url, settings)
  return directory === undefined ? borrow(boss as PgBossLike) : openPglite(directory, settings)
}
