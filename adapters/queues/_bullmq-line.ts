/**
 * The connection on which jobs are enqueued and asked for. It is used until the first thing goes wrong on it, and never
 * sends anything again.
 *
 * @module
 */

import { Guard } from './_bullmq-guard.ts'
import type { BullModuleLike, BullQueueLike, RedisLike, TransactionLike } from './_bullmq-like.ts'
import { jobIdOf, nameOf, priorityOf } from './_bullmq-names.ts'
import type { Deadline, Job } from './_engine.ts'

/** What a connection must not do for us: wait for its server, or send again what was not answered. */
export const lineOptions: object = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: null,
  // What the system has not taken yet is not to leave any more.
  disconnectTimeout: 0,
}

/** How many events BullMQ keeps of a task. Nobody reads them, and they hold the results. */
const EVENTS = 100

/** How many jobs of several calls go together. A transaction holds up everybody else on the server. */
const BATCH = 100

interface Call {
  readonly jobs: readonly Job[]
  readonly deadline: Deadline
}

/** What is sent together. */
interface Batch {
  readonly calls: Call[]
  count: number
  readonly sent: Promise<void>
}

/** What of its settings a line has to know. */
export interface LineOptions {
  readonly prefix: string
  readonly leaseMs: number
}

export class Line {
  readonly #bull: BullModuleLike
  readonly #client: RedisLike
  readonly #options: LineOptions
  readonly #ended: () => void
  readonly #queues: Map<string, Promise<BullQueueLike>> = new Map()
  readonly #guard: Guard
  #last: Promise<void> = Promise.resolve()
  #next: Batch | undefined

  constructor(bull: BullModuleLike, client: RedisLike, options: LineOptions, ended: () => void) {
    this.#bull = bull
    this.#client = client
    this.#options = options
    this.#ended = ended
    client.on('end', ended)
    this.#guard = new Guard(client, options.prefix)
  }

  /** Ends it, and tells so at once: the next call gets another one. */
  end(): void {
    this.#ended()
    this.#client.disconnect()
  }

  answers(): Promise<unknown> {
    return this.#client.ping()
  }

  /** The queue of a task. */
  queue(task: string): Promise<BullQueueLike> {
    const queue = this.#queues.get(task) ?? this.#openQueue(task)
    this.#queues.set(task, queue)
    return queue
  }

  /**
   * Enqueues jobs: all or none, and none after the deadline. Calls that come while others are under way go together, as a
   * transaction has the connection for itself.
   */
  send(jobs: readonly Job[], deadline: Deadline): Promise<void> {
    let batch = this.#next
    if (!batch || batch.count + jobs.length > BATCH) {
      const calls: Call[] = []
      const sent = this.#last.then(() => {
        if (this.#next?.calls === calls) this.#next = undefined
        return this.#transmit(calls)
      })
      this.#last = sent.catch(() => {})
      batch = { calls, count: 0, sent }
      this.#next = batch
    }
    batch.calls.push({ jobs, deadline })
    batch.count += jobs.length
    return batch.sent
  }

  async #transmit(calls: readonly Call[]): Promise<void> {
    const living = calls.filter(({ deadline }) => !deadline.signal.aborted)
    const first = living.map(({ deadline }) => deadline).sort((one, other) => one.at - other.at)[0]
    if (!first) return
    const end = (): void => this.end()
    first.signal.addEventListener('abort', end)
    try {
      const transaction = await this.#transaction(living.flatMap(({ jobs }) => jobs))
      await this.#guard.watch(first.at)
      const answers = await transaction.exec()
      if (!answers) throw new Error('the server was too slow')
      for (const [error] of answers) if (error) throw error
    } catch (error) {
      this.end()
      throw error
    } finally {
      first.signal.removeEventListener('abort', end)
    }
  }

  async #transaction(jobs: readonly Job[]): Promise<TransactionLike> {
    const queues = new Map<string, BullQueueLike>()
    for (const { task } of jobs) if (!queues.has(task.name)) queues.set(task.name, await this.queue(task.name))
    const transaction = this.#bull.createIORedisClient(this.#client).multi()
    const added = jobs.map(({ task, id, text, delayMs, priority }) => {
      const jobId = jobIdOf(id)
      const options = { jobId, priority: priorityOf(priority), ...(delayMs > 0 && { delay: delayMs }) }
      const queue = queues.get(task.name) as BullQueueLike
      return new this.#bull.Job(queue, task.name, JSON.parse(text), options, jobId).addJob(transaction)
    })
    await Promise.all(added)
    return transaction
  }

  async #openQueue(task: string): Promise<BullQueueLike> {
    const { prefix, leaseMs } = this.#options
    const queue = new this.#bull.Queue(nameOf(task), {
      connection: this.#client,
      prefix,
      streams: { events: { maxLen: EVENTS } },
      // For the check for dead workers, in whole milliseconds. How often a job may be started is not BullMQ's to say.
      stalledInterval: Math.ceil(leaseMs / 2),
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    })
    queue.on('error', () => {})
    await queue.waitUntilReady()
    return queue
  }
}
