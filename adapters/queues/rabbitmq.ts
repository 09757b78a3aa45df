/**
 * A queue on RabbitMQ 3.10 or newer, by amqplib.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import type { TaskQueue } from '../../src/queue.ts'
import { REQUIRED, type Rules } from '../../src/rules.ts'
import {
  type Consumer,
  type Deadline,
  type Engine,
  type EngineOptions,
  type EngineSettings,
  engineRules,
  engineSettings,
  type Job,
  type Perform,
} from './_engine.ts'
import { load } from './_load.ts'
import { type Once, once } from './_once.ts'
import type { AmqpLike } from './_rabbitmq-amqp.ts'
import { type Connection, Connections } from './_rabbitmq-connection.ts'
import { RabbitConsumer } from './_rabbitmq-consumer.ts'
import { DELAY_STEP_MS, Layout, type RabbitMessage } from './_rabbitmq-layout.ts'
import { Publisher } from './_rabbitmq-publisher.ts'
import { taskQueue } from './_task-queue.ts'

/** Options of {@link rabbitmq}. */
export interface RabbitOptions extends EngineOptions {
  /** Where it is: `amqp://user:password@host:5672/vhost`, or `amqps://` with TLS. */
  readonly url: string
  /**
   * With what the names of all its queues and exchanges begin.
   *
   * @default 'background-tasks.'
   */
  readonly prefix?: string | undefined
}

const rules: Rules = {
  ...engineRules,
  url: [REQUIRED, 'a URL with amqp:// or amqps://', isUrl],
  prefix: ['background-tasks.', 'a string', (value) => typeof value === 'string'],
}

/**
 * Makes a queue on RabbitMQ, which must be 3.10 or newer, with amqplib, which must be installed.
 *
 * Each task has a durable quorum queue. Jobs that failed are moved to the queue `failed`, where they are kept for
 * `retentionMs`.
 *
 * @example
 * ```ts
 * import { defineTask, withBackgroundTasks } from 'background-tasks'
 * import { rabbitmq } from 'background-tasks/queues/rabbitmq'
 *
 * const greet = defineTask({ name: 'greet', run: (name: string) => console.log('hello', name) })
 * const queue = rabbitmq({ url: 'amqp://guest:guest@localhost:5672' })
 * const worker = await queue.work([greet])
 *
 * export const handler = withBackgroundTasks(
 *   (_request, tasks) => Response.json({ id: tasks.add(greet, 'ada') }, { status: 202 }),
 *   { queue },
 * )
 * export const shutdown = () => worker.close({ timeoutMs: 5000 })
 * ```
 *
 * @param options where it is, and those that all engines take
 * @throws {TypeError} an option is not what it must be
 */
export function rabbitmq(options: RabbitOptions): TaskQueue {
  const settings = engineSettings<Settings>(rules, options, 'create the rabbitmq queue')
  return taskQueue(new RabbitEngine(settings), settings)
}

type Settings = EngineSettings & { readonly [K in 'url' | 'prefix']: string }

class RabbitEngine implements Engine {
  readonly name = 'rabbitmq'
  readonly limits: Engine['limits']
  readonly lacks: Engine['lacks'] = {
    get: 'its queues can be consumed, not searched',
    idempotency: 'it does not compare ids: the same id twice is two jobs',
    priority: 'a quorum queue before RabbitMQ 4 has none',
    schedule: 'it has no clock: use `/schedules/croner`',
    transaction: 'there is no database whose transaction it could join',
  }
  readonly #settings: Settings
  readonly #connections: Connections
  readonly #layout: Layout
  readonly #publisher: Publisher
  readonly #consuming: Once<Connection>

  constructor(settings: Settings) {
    const { url, prefix, payloadBytes, retentionMs, timeoutMs } = settings
    this.limits = { payloadBytes, delayStepMs: DELAY_STEP_MS, maxDelayMs: 2 ** 31 - 1, scheduleStepMs: 60_000 }
    this.#settings = settings
    this.#connections = new Connections(loadAmqp, url, settings)
    this.#layout = new Layout(prefix, retentionMs)
    this.#publisher = new Publisher(this.#connections, this.#layout, timeoutMs)
    this.#consuming = once(async (ended) => {
      const connection = await this.#connections.open(async (opened) => opened)
      connection.closed.then(ended)
      return connection
    })
  }

  open(): Promise<void> {
    return this.#publisher.open()
  }

  checkTask({ name }: Task): void {
    this.#layout.queue(name)
  }

  send(jobs: readonly Job[], deadline: Deadline): Promise<void> {
    const messages: RabbitMessage[] = []
    for (const name of new Set(jobs.map(({ task }) => task.name))) {
      const waiting = jobs
        .filter(({ task }) => task.name === name)
        .map(({ text, delayMs }) => ({ text, attempts: 0, due: delayMs && Date.now() + delayMs }))
      messages.push(this.#layout.message(this.#layout.queue(name), waiting))
    }
    return this.#publisher.publish(messages, deadline)
  }

  async consume(task: Task, concurrency: number, perform: Perform, deadline: Deadline): Promise<Consumer> {
    const { timeoutMs, leaseMs } = this.#settings
    const host = {
      layout: this.#layout,
      publisher: this.#publisher,
      timeoutMs,
      leaseMs,
      connection: this.#consuming,
    }
    const consumer = new RabbitConsumer(host, this.#layout.queue(task.name), concurrency, perform)
    await consumer.start(deadline)
    return consumer
  }

  close(): Promise<void> {
    return this.#connections.close()
  }
}

function isUrl(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value) && /^amqps?:$/.test(new URL(value).protocol)
}

async function loadAmqp(): Promise<AmqpLike> {
  const module = await load<AmqpLike | { readonly default: AmqpLike }>('amqplib', () => import('amqplib'))
  return 'connect' in module ? module : module.default
}
