/**
 * Queues, exchanges and messages, as RabbitMQ has them.
 *
 * - A task has a quorum queue. What failed is in one more, for all tasks.
 * - What has to wait goes through queues whose messages expire into the task's queue. Each has a time to live of its own, a
 *   power of two, and serves all tasks: an exchange lets the message keep the name of the task's queue as its routing key.
 *   A delay is made of several, so that some twenty queues are enough for all delays. They never expire themselves: a
 *   quorum queue that does takes its messages with it.
 *
 * @module
 */
import { type AmqpMessageLike, bytesOf, type PublishOptions, type QueueOptions } from './_rabbitmq-amqp.ts'
import type { Connection } from './_rabbitmq-connection.ts'

/** To what delays are rounded, in milliseconds; the shortest time to live. */
export const DELAY_STEP_MS = 100

/** A job that waits for a start. */
export interface WaitingJob {
  readonly text: string
  /** How often it was started. */
  readonly attempts: number
  /** Not to be started before, as `Date.now()`. */
  readonly due: number
}

/** A message to be published. */
export interface RabbitMessage {
  readonly exchange: string
  readonly queue: string
  /** How long it is to be in the queue of a delay first. */
  readonly waitMs: number
  readonly body: Uint8Array
  readonly options: PublishOptions
}

export class Layout {
  readonly #prefix: string
  readonly #retentionMs: number

  constructor(prefix: string, retentionMs: number) {
    this.#prefix = prefix
    this.#retentionMs = retentionMs
  }

  /**
   * The queue of a task.
   *
   * @throws {TypeError} its name would be too long
   */
  queue(task: string): string {
    const name = `${this.#prefix}task.${task}`
    const bytes = bytesOf(name).length
    if (bytes <= MAX_NAME_BYTES) return name
    const limit = `must have at most ${MAX_NAME_BYTES} bytes: current value has ${bytes}`
    throw new TypeError(`Cannot use the task '${task.slice(0, 80)}' as the name of its queue in RabbitMQ ${limit}`)
  }

  /** Jobs of one task as one message, which is taken or not. */
  message(queue: string, jobs: readonly WaitingJob[]): RabbitMessage {
    const [first, ...more] = jobs as [WaitingJob, ...WaitingJob[]]
    const isBatch = more.length > 0
    const waitMs = isBatch ? 0 : waitFor(first.due)
    return {
      queue,
      waitMs,
      exchange: waitMs === 0 ? '' : this.#delay(waitMs),
      body: bytesOf(isBatch ? JSON.stringify(jobs) : first.text),
      options: {
        messageId: crypto.randomUUID(),
        persistent: true,
        mandatory: true,
        contentType: 'application/json',
        ...(isBatch ? { type: BATCH } : { headers: { attempts: first.attempts, due: first.due } }),
      },
    }
  }

  /** Sees to it that a task's queue is there, and that of what failed. */
  async declareTask(connection: Connection, queue: string): Promise<void> {
    const failed = `${this.#prefix}failed`
    await connection.declare(failed, (channel) =>
      channel.assertQueue(failed, quorum({ 'x-message-ttl': this.#retentionMs })).catch((error) => {
        // It is there, for another time: that of whoever was first.
        if (error.code !== PRECONDITION_FAILED || !error.message.includes('inequivalent arg')) throw error
      }),
    )
    const dead = { ...expiring, 'x-dead-letter-routing-key': failed }
    const limits = { 'x-delivery-limit': FOR_EVER, 'x-consumer-timeout': FOR_EVER }
    await connection.declare(queue, (channel) => channel.assertQueue(queue, quorum({ ...dead, ...limits })))
  }

  /** Sees to it that a message can wait. */
  async declareDelay(connection: Connection, waitMs: number): Promise<void> {
    const name = this.#delay(waitMs)
    await connection.declare(name, async (channel) => {
      await channel.assertExchange(name, 'fanout', { durable: true })
      await channel.assertQueue(name, quorum({ ...expiring, 'x-message-ttl': waitMs }))
      await channel.bindQueue(name, name, '')
    })
  }

  #delay(waitMs: number): string {
    return `${this.#prefix}delay.${waitMs}`
  }
}

/** What a message holds that is not to be run, but to be published anew: a batch, or a job that is not due. */
export function jobsToMove(message: AmqpMessageLike): WaitingJob[] | undefined {
  if (message.properties.type === BATCH) {
    try {
      const jobs = JSON.parse(message.content.toString()) as WaitingJob[]
      return jobs.map(({ text, attempts, due }) => ({ text: String(text), attempts: count(attempts), due: count(due) }))
    } catch {
      // Whoever made it: the worker will report that it is no job.
      return undefined
    }
  }
  const job = jobOf(message)
  return job.due > Date.now() ? [job] : undefined
}

/** The job that a message holds. */
export function jobOf({ content, properties: { headers = {} } }: AmqpMessageLike): WaitingJob {
  // The first is RabbitMQ's from 4.3 on, where the second counts less. Either counts the starts before this one.
  const starts = count(headers['x-acquired-count'] ?? headers['x-delivery-count'])
  return { text: content.toString(), attempts: count(headers['attempts']) + starts, due: count(headers['due']) }
}

const count = (value: unknown): number => Number(value) || 0

const BATCH = 'background-tasks.batch'
const MAX_NAME_BYTES = 255
const PRECONDITION_FAILED = 406
/** For a delivery limit: the library has its own. RabbitMQ 3 refuses or takes amiss -1. */
const FOR_EVER = 2 ** 31 - 1

/** The queue keeps what it has to hand on until that has arrived. */
const expiring = {
  'x-dead-letter-exchange': '',
  'x-dead-letter-strategy': 'at-least-once',
  'x-overflow': 'reject-publish',
}

function quorum(rest: object): QueueOptions {
  return { durable: true, arguments: { 'x-queue-type': 'quorum', ...rest } }
}

/** The longest time to live that is not too long; at least the shortest. */
function waitFor(due: number): number {
  const steps = (due - Date.now()) / DELAY_STEP_MS
  return steps > 0 ? DELAY_STEP_MS * 2 ** Math.floor(Math.log2(Math.max(1, steps))) : 0
}
