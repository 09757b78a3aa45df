/**
 * A channel of RabbitMQ with confirms, that says why it ended.
 *
 * @module
 */
import { hop } from '../../src/adapter.ts'
import type { AmqpChannelLike, AmqpMessageLike } from './_rabbitmq-amqp.ts'
import type { Connection } from './_rabbitmq-connection.ts'
import type { RabbitMessage } from './_rabbitmq-layout.ts'

export class RabbitChannel {
  readonly raw: AmqpChannelLike
  readonly closed: Promise<void>
  isClosed = false
  readonly #connection: Connection
  readonly #returned: Set<string | undefined> = new Set()
  #reason: unknown
  #answer: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined
  /** Whether what was delivered is done, by its tag, in that order. Without what was settled. */
  readonly #delivered: Map<number, { readonly message: AmqpMessageLike; isDone: boolean }> = new Map()
  #acknowledged: Promise<void> | undefined

  constructor(raw: AmqpChannelLike, connection: Connection) {
    this.raw = raw
    this.#connection = connection
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
        await this.#ask((raw) => raw.checkExchange(ALWAYS_THERE))
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

  /** Takes messages; `null` is the end of it, by the server. */
  async consume(queue: string, consumerTag: string, take: (message: AmqpMessageLike | null) => void): Promise<void> {
    const took = (message: AmqpMessageLike | null): void => {
      if (message) this.#delivered.set(message.fields.deliveryTag, { message, isDone: false })
      take(message)
    }
    await this.raw.consume(queue, took, { consumerTag })
  }

  /** Resolves when the server knows what became of a message that it gave. */
  settle(message: AmqpMessageLike, end: 'done' | 'dead' | 'again'): Promise<void> {
    const { deliveryTag } = message.fields
    if (end === 'done') {
      const delivered = this.#delivered.get(deliveryTag)
      if (delivered) delivered.isDone = true
      this.#acknowledged ??= this.#acknowledge()
      return this.#acknowledged
    }
    return this.#ask(async (raw) => {
      this.#delivered.delete(deliveryTag)
      // Not by nack, which RabbitMQ 4.3 does not count as a delivery.
      raw.reject(message, end === 'again')
      await this.answered()
    })
  }

  /** Acknowledges all that gets done in this turn, by as few frames as can be: each is a write, and an entry in a log. */
  async #acknowledge(): Promise<void> {
    await hop()
    this.#acknowledged = undefined
    await this.#ask(async (raw) => {
      let isContiguous = true
      let upTo: AmqpMessageLike | undefined
      for (const [tag, { message, isDone }] of this.#delivered) {
        isContiguous &&= isDone
        if (!isDone) continue
        this.#delivered.delete(tag)
        if (isContiguous) upTo = message
        else raw.ack(message, false)
      }
      if (upTo) raw.ack(upTo, true)
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

/** AMQP 0-9-1 demands it of every server (3.1.3). To set the prefetch again would slow the consumers of the channel down. */
const ALWAYS_THERE = 'amq.direct'
