/**
 * A durable queue in Redis 7 or Valkey, by BullMQ.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import type { TaskQueue } from '../../src/queue.ts'
import { isObject, type Rules, refuse } from '../../src/rules.ts'
import { connect } from './_bullmq-connect.ts'
import { Consumers } from './_bullmq-consumers.ts'
import { type BullModuleLike, loadBull, loadRedis } from './_bullmq-like.ts'
import { Line, lineOptions } from './_bullmq-line.ts'
import { jobIdsOf, nameOf } from './_bullmq-names.ts'
import { recordOf } from './_bullmq-record.ts'
import { checkCron, isScheduled, putSchedule } from './_bullmq-schedule.ts'
import type { OnLine } from './_bullmq-upkeep.ts'
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
import { type Once, once } from './_once.ts'
import { taskQueue } from './_task-queue.ts'

/** Options of {@link bullmq}: exactly one of `url` and `connection`. */
export interface BullmqOptions extends EngineOptions {
  /** Where the server is: `redis://user:password@host:6379/0`, or `rediss://…` for TLS. */
  readonly url?: string | undefined
  /**
   * Options of ioredis (`host`, `port`, `password`, `db`, `tls`, `sentinels`, …), or a client of it: only its options are
   * used, its connection is not.
   */
  readonly connection?: object | undefined
  /**
   * What all keys in Redis begin with.
   *
   * @default 'bull'
   */
  readonly prefix?: string | undefined
}

type Settings = EngineSettings & Pick<BullmqOptions, 'url' | 'connection'> & { readonly prefix: string }

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

const rules: Rules = {
  ...engineRules,
  url: [undefined, "a URL such as 'redis://localhost:6379'", (value) => isText(value) && URL.canParse(value)],
  connection: [
    undefined,
    'options of ioredis, or a client that is not one of a cluster',
    (value) => isObject(value) && (value as { isCluster?: boolean }).isCluster !== true,
  ],
  prefix: ['bull', 'a string that is not empty', isText],
}

/**
 * Makes a queue in Redis 7 or newer, or Valkey. Needs the packages `bullmq` and `ioredis`.
 *
 * @example
 * ```ts
 * import { defineTask, withBackgroundTasks } from 'background-tasks'
 * import { bullmq } from 'background-tasks/queues/bullmq'
 *
 * const greet = defineTask({ name: 'greet', run: (name: string) => console.log('hello', name) })
 * const queue = bullmq({ url: 'redis://localhost:6379' })
 * const worker = await queue.work([greet], { concurrency: 10 })
 *
 * export const handler = withBackgroundTasks(
 *   (_request, tasks) => Response.json({ id: tasks.add(greet, 'ada') }, { status: 202 }),
 *   { queue },
 * )
 * export const shutdown = () => worker.close({ timeoutMs: 5000 })
 * ```
 *
 * @param options where it is, and what all engines take
 * @throws {TypeError} an option is not what it must be
 */
export function bullmq(options: BullmqOptions): TaskQueue {
  const what = 'create the BullMQ queue'
  const settings = engineSettings<Settings>(rules, options, what)
  const { url, connection } = settings
  if ((url === undefined) === (connection === undefined)) {
    refuse('url', "given, or 'connection', and not both", url, what)
  }
  return taskQueue(new BullEngine(settings), settings)
}

/** Ten years. */
const MAX_DELAY_MS = 315_360_000_000

class BullEngine implements Engine {
  readonly name = 'bullmq'
  readonly limits: Engine['limits']
  readonly lacks: Engine['lacks'] = {
    transaction: 'Redis has no transaction that a database could join',
  }
  readonly #bull: Promise<BullModuleLike>
  readonly #opened: Once<Line, [Deadline]>
  readonly #consumers: Consumers
  #isClosed = false

  constructor(settings: Settings) {
    this.#consumers = new Consumers(settings)
    // They are large: the first call has its deadline. What is missing is its error.
    this.#bull = loadBull()
    for (const loading of [this.#bull, loadRedis()]) loading.catch(() => {})
    this.#opened = once(async (ended, deadline) => {
      const bull = await this.#bull
      // Nobody would close it: whoever looks after a queue may ask for one late.
      if (this.#isClosed) throw new Error('it is closed')
      const client = await connect(settings, lineOptions, deadline)
      return new Line(bull, client, settings, ended)
    })
    const { payloadBytes } = settings
    this.limits = { payloadBytes, delayStepMs: 1, maxDelayMs: MAX_DELAY_MS, scheduleStepMs: 1000 }
  }

  async open(deadline: Deadline): Promise<void> {
    await this.#opened(deadline)
  }

  async send(jobs: readonly Job[], deadline: Deadline): Promise<void> {
    const line = await this.#opened(deadline)
    await line.send(jobs, deadline)
  }

  find(task: Task, id: string, deadline: Deadline): Promise<EngineRecord | undefined> {
    return this.#on(deadline, async (line) => {
      const queue = await line.queue(task.name)
      for (const jobId of jobIdsOf(id)) {
        // First the state: a job that ends in between says so itself.
        const state = await queue.getJobState(jobId)
        const job = await queue.getJob(jobId)
        if (job) return recordOf(job, state === 'active')
      }
      return undefined
    })
  }

  async schedule(
    task: Task,
    key: string,
    cron: string,
    timezone: string,
    text: string,
    deadline: Deadline,
  ): Promise<void> {
    checkCron(await this.#bull, task, cron, timezone)
    const schedule = { key, cron, timezone, text }
    await this.#on(deadline, async (line) => {
      const queue = await line.queue(task.name)
      if (await isScheduled(queue, schedule)) return
      await line.answers()
      await putSchedule(queue, task, schedule)
    })
  }

  unschedule(task: Task, key: string, deadline: Deadline): Promise<void> {
    return this.#on(deadline, async (line) => {
      const queue = await line.queue(task.name)
      await line.answers()
      await queue.removeJobScheduler(nameOf(key))
    })
  }

  async consume(task: Task, concurrency: number, perform: Perform, deadline: Deadline): Promise<Consumer> {
    const onLine: OnLine = (when, work) => this.#on(when, work)
    return this.#consumers.start({ bull: await this.#bull, task: task.name, concurrency, perform, onLine }, deadline)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    // One that is being made has its end when it is there.
    this.#opened.forget()?.then(
      (line) => line.end(),
      () => {},
    )
    this.#consumers.end()
  }

  /** Does something on the line, which has an end when that fails or is too late. */
  async #on<T>(deadline: Deadline, work: (line: Line) => Promise<T>): Promise<T> {
    const line = await this.#opened(deadline)
    const end = (): void => line.end()
    deadline.signal.addEventListener('abort', end)
    try {
      return await work(line)
    } catch (error) {
      end()
      throw error
    } finally {
      deadline.signal.removeEventListener('abort', end)
    }
  }
}
