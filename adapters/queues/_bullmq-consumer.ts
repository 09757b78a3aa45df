/**
 * Takes the jobs of one task from BullMQ.
 *
 * @module
 */
import { Leases } from './_bullmq-leases.ts'
import type { BullJobLike, BullModuleLike, BullWorkerLike, Move, RedisLike } from './_bullmq-like.ts'
import { nameOf } from './_bullmq-names.ts'
import { type OnLine, Upkeep } from './_bullmq-upkeep.ts'
import { within } from './_deadline.ts'
import type { Consumer, EngineSettings, Perform, Verdict } from './_engine.ts'

/** What a worker's connection must do: come back soon, and send again what was not answered. */
export const workerOptions: object = {
  lazyConnect: true,
  enableOfflineQueue: true,
  autoResendUnfulfilledCommands: true,
  maxRetriesPerRequest: null,
  retryStrategy: (times: number): number => Math.min(50 * times, 1000),
  // After a failover the old master goes on, as a replica.
  reconnectOnError: (error: Error): number | false => (error.message.startsWith('READONLY') ? 2 : false),
  commandTimeout: undefined,
  // A server that is gone without a word. BullMQ waits for at most 10 s.
  socketTimeout: 15_000,
  maxLoadingRetryTime: 500,
  disconnectTimeout: 100,
}

export interface ConsumerPlan {
  readonly bull: BullModuleLike
  readonly client: RedisLike
  readonly prefix: string
  /** The name of the task. */
  readonly task: string
  readonly concurrency: number
  readonly perform: Perform
  readonly onLine: OnLine
}

/** In which states a job is that was moved so. */
const states: Record<Verdict['type'], RegExp> = {
  succeeded: /^completed$/,
  failed: /^failed$/,
  retry: /^(delayed|prioritized|waiting)$/,
  abandoned: /^(delayed|prioritized|waiting)$/,
}

export class BullConsumer implements Consumer {
  readonly #plan: ConsumerPlan
  readonly #settings: EngineSettings
  readonly #worker: BullWorkerLike
  readonly #leases: Leases
  #upkeep: Upkeep | undefined
  #idle: Promise<void> | undefined

  constructor(plan: ConsumerPlan, settings: EngineSettings) {
    this.#plan = plan
    this.#settings = settings
    const { bull, client, prefix, task, concurrency } = plan
    const { leaseMs, retentionMs } = settings
    this.#worker = new bull.Worker(nameOf(task), (job, token) => this.#process(job, token), {
      connection: client,
      prefix,
      concurrency,
      autorun: false,
      lockDuration: leaseMs,
      skipStalledCheck: true,
      removeOnComplete: { age: retentionMs / 1000 },
      removeOnFail: { age: retentionMs / 1000 },
      runRetryDelay: 500,
    })
    this.#leases = new Leases(client, this.#worker.getBackend(), leaseMs)
    this.#worker.on('error', () => {})
    this.#worker.on('lockRenewalFailed', (ids) => this.#leases.regain(ids))
  }

  /** Resolves when it takes jobs. */
  async start(): Promise<void> {
    await this.#worker.waitUntilReady()
    if (this.#idle) return
    this.#upkeep = new Upkeep(this.#plan.task, this.#plan.onLine, this.#settings)
    this.#worker.run().catch(() => {})
  }

  stop(): Promise<void> {
    // Not its `close`, which would leave timers behind where the server is gone.
    this.#idle ??= this.#worker.pause().catch(() => {})
    this.#leases.hurry(this.#settings.timeoutMs)
    // What it was about to take has come by then.
    return within(GOODBYE_MS, this.#idle).catch(() => {})
  }

  async close(): Promise<void> {
    await this.stop()
    this.#leases.stop()
    this.#upkeep?.stop()
    await this.#worker.close(true)
  }

  async #process(job: BullJobLike, token: string): Promise<unknown> {
    const { id, data, attemptsStarted: attempt, moveToCompleted, moveToFailed } = job
    const lease = this.#leases.hold(id, token)
    const verdict = await this.#plan.perform({ id, text: JSON.stringify(data), attempt })
    const { type, output, delayMs, isUnstarted } = verdict
    lease.verdict = verdict
    lease.toldAt = Date.now()
    // BullMQ counts what it takes. Before the job is moved, as the next worker may have it then.
    if (isUnstarted)
      await this.#plan.client.hset(this.#worker.getBackend().toKey(id), 'ats', attempt - 1).catch(() => {})
    // BullMQ moves the job afterwards, and takes the next one in the same step. Only so it is heard whether that was done.
    if (type === 'succeeded') {
      job.moveToCompleted = (...values) => this.#tell(job, verdict, moveToCompleted, values)
      job.moveToFailed = refuse
      return JSON.parse(output)
    }
    job.moveToFailed = (...values) => this.#tell(job, verdict, moveToFailed, values)
    const attempts = type === 'failed' ? 0 : job.attemptsMade + 2
    job.opts = { ...job.opts, attempts, backoff: { type: 'fixed', delay: delayMs }, stackTraceLimit: 0 }
    throw new Error(output)
  }

  /** Moves a job as its verdict says, and tells whether the server knows it. */
  async #tell(job: BullJobLike, verdict: Verdict, move: Move, values: Parameters<Move>): Promise<unknown> {
    try {
      let next: unknown
      try {
        next = await move.apply(job, values)
      } catch (error) {
        // It was moved before the connection broke, but not answered.
        if (!states[verdict.type].test(await job.getState())) {
          // Its lock ran out while the server was away, and nobody has taken it since.
          if (!(await this.#leases.regained(job.id))) throw error
          next = await move.apply(job, values)
        }
      }
      verdict.settled()
      return next
    } catch (error) {
      verdict.settled(error)
      throw error
    } finally {
      this.#leases.release(job.id)
    }
  }
}

/** How long a server may take to answer what it was asked before. */
const GOODBYE_MS = 1000

/** What BullMQ does where it could not complete a job. It is left to the next worker instead. */
const refuse: Move = (error) => Promise.reject(error)
