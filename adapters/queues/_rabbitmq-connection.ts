/**
 * Connections to RabbitMQ that can be cut.
 *
 * @module
 */
import { startTimer, stopTimer } from '../../src/adapter.ts'
import { within } from './_deadline.ts'
import type { Deadline, EngineSettings } from './_engine.ts'
import type { AmqpChannelLike, AmqpConnectionLike, AmqpLike } from './_rabbitmq-amqp.ts'
import { RabbitChannel } from './_rabbitmq-channel.ts'

/** Makes connections, and ends them all. */
export class Connections {
  readonly #load: () => Promise<AmqpLike>
  readonly #url: string
  readonly #timeoutMs: number
  readonly #open: Set<Connection> = new Set()
  #isClosed = false

  constructor(
    load: () => Promise<AmqpLike>,
    url: string,
    { timeoutMs, leaseMs }: Pick<EngineSettings, 'timeoutMs' | 'leaseMs'>,
  ) {
    const address = new URL(url)
    const { searchParams } = address
    // Either side gives the other up after two of them without a word.
    if (!searchParams.has('heartbeat')) searchParams.set('heartbeat', `${Math.min(60, Math.floor(leaseMs / 2000))}`)
    this.#load = load
    this.#url = address.href
    this.#timeoutMs = timeoutMs
  }

  /** Connects, and gets ready what the connection is for, both within the time limit. */
  async open<T>(setUp: (connection: Connection) => Promise<T>): Promise<T> {
    const { connect } = await this.#load()
    if (this.#isClosed) throw new Error('it is closed')
    const connection = new Connection()
    this.#open.add(connection)
    connection.closed.then(() => this.#open.delete(connection))
    try {
      return await within(this.#timeoutMs, async ({ signal }) => {
        signal.addEventListener('abort', () => connection.cut(signal.reason))
        connection.use(await connect(this.#url, connection.socket))
        return setUp(connection)
      })
    } catch (error) {
      connection.cut(error)
      throw connection.reason
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const closing = Promise.allSettled([...this.#open].map((connection) => connection.close()))
    await within(this.#timeoutMs, closing).catch(() => {})
    for (const connection of this.#open) connection.cut(new Error('it is closed'))
  }
}

export class Connection {
  /** Options of its socket. */
  readonly socket: { readonly noDelay: true; readonly signal: AbortSignal }
  readonly closed: Promise<void>
  /** Why it ended. */
  reason: unknown
  readonly #controller = new AbortController()
  readonly #declared: Map<string, Promise<unknown>> = new Map()
  #model: AmqpConnectionLike | undefined
  #blocked: unknown

  constructor() {
    const { signal } = this.#controller
    this.socket = { noDelay: true, signal }
    this.closed = new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
  }

  use(model: AmqpConnectionLike): void {
    this.#model = model
    model.on('error', (error) => this.cut(error))
    // What is left of it would send the rest once a frozen server reads again.
    model.on('close', (error) => this.cut(error ?? new Error('the connection is closed')))
    // It reads nothing more of this connection. Confirms of what it took before may be on their way.
    model.on('blocked', (reason) => {
      this.#blocked = startTimer(() => this.cut(new Error(`RabbitMQ takes no messages: ${reason}`)), 250)
    })
  }

  /** Ends it at once: what the system has not sent is never sent. */
  cut(reason: unknown): void {
    this.reason ??= reason
    stopTimer(this.#blocked)
    this.#controller.abort()
  }

  async close(): Promise<void> {
    await this.#model?.close()
  }

  /** Does something on it, and cuts it when that is not done by the deadline. */
  async during<T>({ signal }: Deadline, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    const cut = (): void => this.cut(signal.reason)
    signal.addEventListener('abort', cut)
    try {
      return await work()
    } finally {
      signal.removeEventListener('abort', cut)
    }
  }

  async channel(): Promise<RabbitChannel> {
    if (!this.#model) throw this.reason
    return new RabbitChannel(await this.#model.createConfirmChannel(), this)
  }

  /** Declares something once, on a channel of its own: what the server refuses closes the channel. */
  declare(name: string, work: (channel: AmqpChannelLike) => Promise<unknown>): Promise<unknown> {
    let declared = this.#declared.get(name)
    if (!declared) {
      declared = this.channel().then(async (channel) => {
        try {
          await work(channel.raw)
        } finally {
          channel.close()
        }
      })
      this.#declared.set(name, declared)
      declared.catch(() => this.forget(name))
    }
    return declared
  }

  /** Has it declared again. */
  forget(name: string): void {
    this.#declared.delete(name)
  }
}
