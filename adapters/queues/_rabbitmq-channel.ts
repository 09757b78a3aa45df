/**
 * A channel of RabbitMQ with confirms, that says why it ended.
 *
 * @module
 */
import type { AmqpChannelLike, AmqpMessageLike } from './_rabbitmq-amqp.ts'
import type { Connection } from './_rabbitmq-connection.ts'
import type { RabbitMessage } from './_rabbitmq-layout.ts'

export class RabbitChannel {
  readonly raw: AmqpChannelLike
  readonly closed: Promise<void>
  isClosed = false
  readonly #connection: Connection
  readonly #prefetch: number
  readonly #returned: Set<string | undefined> = new Set()
  #reason: unknown
  #answer: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(raw: AmqpChannelLike, connection: Connection, prefetch: number) {
    this.raw = raw
    this.#connection = connection
    this.#prefetch = prefetch
    raw.on('error', (error) => {
      this.#reason = error
    })
    raw.on('return', ({ properties }) => this.#returned.add(properties.messageId))
    this.closed = new Promise((resolve) => {
      raw.on('close', () => {
        this.isClosed = true
        resolve()
      })
    })
  }

  /** Settles when the server has answered something that was sent after this call; many calls share one. */
  answered(): Promise<void> {
    this.#next ??= this.#answer
      .catch(() => {})
      .then(async () => {
        this.#answer = this.#next as Promise<void>
        this.#next = undefined
        await this.#ask((raw) => raw.prefetch(this.#prefetch))
      })
    return this.#next
  }

  /** Resolves when the server is responsible for the message. */
  publish({ exchange, queue, body, options }: RabbitMessage): Promise<void> {
    const confirmed = (raw: AmqpChannelLike): Promise<void> =>
      new Promise((resolve, reject) => {
        raw.publish(exchange, queue, body, options, (error) => (error ? reject(error) : resolve()))
      })
    return this.#ask(confirmed).then(() => {
      if (!this.#returned.delete(options.messageId)) return
      // An exchange of ours is named like its queue.
      const missing = exchange || queue
      this.#connection.forget(missing)
      throw new Error(`there is no queue '${missing}'`)
    })
  }

  /** Resolves when the server knows what became of a message that it gave. */
  settle(message: AmqpMessageLike, end: 'done' | 'dead' | 'again'): Promise<void> {
    return this.#ask(async (raw) => {
      if (end === 'done') raw.ack(message)
      // Not by nack, which RabbitMQ 4.3 does not count as a delivery.
      else raw.reject(message, end === 'again')
      await this.answered()
    })
  }

  /** Ends its connection. */
  cut(reason: unknown): void {
    this.#connection.cut(reason)
  }

  close(): void {
    this.raw.close().catch(() => {})
  }

  async #ask<T>(work: (raw: AmqpChannelLike) => Promise<T>): Promise<void> {
    try {
      await work(this.raw)
    } catch (error) {
      throw this.#reason ?? this.#connection.reason ?? error
    }
  }
}
