/**
 * Cloudflare Queues.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import { QueueError } from '../../src/errors.ts'
import { type OnError, printFailure } from '../../src/options.ts'
import type { TaskQueue } from '../../src/queue.ts'
import { checked, REQUIRED, type Rules } from '../../src/rules.ts'
import { isFunction, show } from '../../src/values.ts'
import { type ConsumerOptions, consumerOf } from './_cloudflare-consumer.ts'
import { bodyOf, bytesOf, MAX_DELAY_SECONDS, type MessageBatchLike } from './_cloudflare-message.ts'
import { type Engine, type EngineOptions, engineRules, type Job } from './_engine.ts'
import { taskQueue } from './_task-queue.ts'

export type { ConsumerOptions } from './_cloudflare-consumer.ts'
export type { MessageBatchLike, MessageLike } from './_cloudflare-message.ts'

/** The part of a `Queue` binding that is used. */
export interface QueueLike {
  send(body: string, options?: { contentType?: 'text' }): Promise<unknown>
  sendBatch(messages: Iterable<{ body: string; contentType?: 'text'; delaySeconds?: number }>): Promise<unknown>
}

/** A binding, or where to look it up at each call. */
export type QueueSource = QueueLike | (() => QueueLike)

/** Options of {@link cloudflare}. */
export interface CloudflareOptions extends Pick<EngineOptions, 'timeoutMs'> {
  /** The Queue binding, or a function that returns it. */
  readonly queue: QueueSource
  /**
   * The binding of another queue, which gets every task that has failed, with `error` and `attempts` beside its input.
   *
   * @default none: it is reported, then gone
   */
  readonly deadLetter?: QueueSource | undefined
  /**
   * The `onError` of consumers without one of their own. What it starts is waited for, `timeoutMs` at most.
   *
   * @default one console.error line
   */
  readonly onError?: OnError | undefined
}

/** A queue whose tasks are run by a handler of the Worker. */
export interface CloudflareQueue extends TaskQueue {
  /**
   * Makes the Worker's `queue` handler. Each message is acknowledged or retried for itself; one of a task that is not among
   * these is retried later, and reported to `onError`.
   *
   * @throws {TypeError} the tasks or an option are not what they must be
   */
  consumer(
    tasks: readonly Task<any, any>[],
    options?: ConsumerOptions,
  ): (batch: MessageBatchLike, ...platform: unknown[]) => Promise<void>
}

/**
 * Makes a queue of a binding to Cloudflare Queues.
 *
 * A call that takes longer than `timeoutMs` rejects, but what was sent cannot be called back: the task may still run.
 * Delivery is at least once. Every delivery counts as an attempt, and the consumer's own `max_retries` ends them all: set it
 * to 100 (by default it is 3).
 *
 * @example
 * ```ts workers
 * import { env } from 'cloudflare:workers'
 * import { defineTask, withBackgroundTasks } from 'background-tasks'
 * import { cloudflare } from 'background-tasks/queues/cloudflare'
 *
 * const { TASKS } = env as { TASKS: Queue }
 * const greet = defineTask({ name: 'greet', run: (name: string) => console.log('hello', name) })
 * const queue = cloudflare({ queue: TASKS })
 *
 * export default {
 *   fetch: withBackgroundTasks(
 *     (_request, tasks) => Response.json({ id: tasks.add(greet, 'ada') }, { status: 202 }),
 *     { queue },
 *   ),
 *   queue: queue.consumer([greet]),
 * } satisfies ExportedHandler
 * ```
 *
 * @param options the binding, and what happens to tasks that failed
 * @throws {TypeError} an option is not what it must be
 */
export function cloudflare(options: CloudflareOptions): CloudflareQueue {
  const settings = checked<Settings>(rules, options, 'create the Cloudflare queue')
  const { deadLetter, onError, timeoutMs } = settings
  const engine = new CloudflareEngine(settings)
  const { name, limits } = engine
  const host = {
    name,
    limits,
    timeoutMs,
    onError,
    send: async (body: string) => bindingOf(settings.queue, 'queue').send(body, { contentType: 'text' }),
    bury:
      deadLetter && (async (body: string) => bindingOf(deadLetter, 'deadLetter').send(body, { contentType: 'text' })),
  }
  return Object.assign(taskQueue(engine, settings), {
    consumer: (tasks: readonly Task[], consumerOptions?: ConsumerOptions) => consumerOf(host, tasks, consumerOptions),
  })
}

type Settings = CloudflareOptions & { readonly onError: OnError; readonly timeoutMs: number }

const isQueue = (value: any): value is QueueLike => isFunction(value?.sendBatch)
const isSource = (value: unknown): boolean => isQueue(value) || isFunction(value)
const sourceRule = 'a Queue binding, or a function that returns one'

const rules: Rules = {
  queue: [REQUIRED, sourceRule, isSource],
  deadLetter: [undefined, sourceRule, isSource],
  onError: [printFailure, 'a function', isFunction],
  timeoutMs: engineRules['timeoutMs'] as Rules[string],
}

// https://developers.cloudflare.com/queues/platform/limits/
const BATCH_MESSAGES = 100
const BATCH_BYTES = 256_000
/** What the platform may add to a message. */
const METADATA_BYTES = 100

class CloudflareEngine implements Engine {
  readonly name = 'cloudflare'
  readonly limits: Engine['limits'] = {
    // A message may have 128,000 bytes; what is left is for the name of the task, and for the platform.
    payloadBytes: 127_000,
    delayStepMs: 1000,
    maxDelayMs: MAX_DELAY_SECONDS * 1000,
    scheduleStepMs: 60_000,
  }
  readonly lacks: Engine['lacks'] = {
    get: 'Cloudflare Queues tells nothing of a message: keep what you want to show in KV, D1 or a Durable Object',
    idempotency: 'Cloudflare Queues does not compare messages: the same id twice is two tasks',
    priority: 'Cloudflare Queues has none: use a second queue',
    schedule: 'Cron Triggers are part of the Worker: use `/schedules/workers`',
    transaction: 'there is no database whose transaction it could join',
    work: 'Cloudflare calls the Worker: export `queue.consumer(tasks)` as its `queue` handler',
  }
  readonly #source: QueueSource

  constructor({ queue }: Settings) {
    this.#source = queue
  }

  async open(): Promise<void> {
    bindingOf(this.#source, 'queue')
  }

  async send(jobs: readonly Job[]): Promise<void> {
    const messages = jobs.map(({ task, text, delayMs }) => ({
      body: bodyOf(task.name, text),
      contentType: 'text' as const,
      // Without one the default of the queue holds.
      ...(delayMs > 0 && { delaySeconds: delayMs / 1000 }),
    }))
    const bytes = messages.reduce((sum, { body }) => sum + bytesOf(body) + METADATA_BYTES, 0)
    if (messages.length > BATCH_MESSAGES || bytes > BATCH_BYTES) {
      // In several calls some might be taken and others not.
      const limit = `the queue '${this.name}' takes ${BATCH_MESSAGES} tasks or ${BATCH_BYTES} bytes at once`
      const hint = 'add one task that enqueues the others, in parts'
      throw new QueueError(`Cannot enqueue ${messages.length} tasks of ${bytes} bytes as ${limit}: ${hint}`)
    }
    await bindingOf(this.#source, 'queue').sendBatch(messages)
  }

  async close(): Promise<void> {}
}

function bindingOf(source: QueueSource, option: string): QueueLike {
  const binding: unknown = isQueue(source) ? source : source()
  if (isQueue(binding)) return binding
  const hint = "is it among 'queues.producers' in the configuration of the Worker?"
  throw new QueueError(`Cannot find the Queue binding as '${option}' gave ${show(binding)}: ${hint}`)
}
