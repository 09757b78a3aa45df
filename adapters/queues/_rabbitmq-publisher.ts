/**
 * Publishes to RabbitMQ, on a connection of its own: RabbitMQ stops to read one that publishes when it is low on memory or
 * disk, and acknowledgements must not be held up by that.
 *
 * @module
 */
import type { Deadline } from './_engine.ts'
import { type Once, once } from './_once.ts'
import type { RabbitChannel } from './_rabbitmq-channel.ts'
import type { Connection, Connections } from './_rabbitmq-connection.ts'
import type { Layout, RabbitMessage } from './_rabbitmq-layout.ts'

export class Publisher {
  readonly #layout: Layout
  readonly #timeoutMs: number
  readonly #open: Once<{ readonly connection: Connection; readonly channel: RabbitChannel }>

  constructor(connections: Connections, layout: Layout, timeoutMs: number) {
    this.#layout = layout
    this.#timeoutMs = timeoutMs
    this.#open = once(async (ended) => {
      const opened = await connections.open(async (connection) => ({ connection, channel: await connection.channel() }))
      const { connection, channel } = opened
      channel.closed.then(() => connection.cut(new Error('the channel is closed')))
      connection.closed.then(ended)
      return opened
    })
  }

  async open(): Promise<void> {
    await this.#open()
  }

  /** Resolves when all are confirmed. Sends nothing after the deadline. */
  async publish(messages: readonly RabbitMessage[], deadline: Deadline): Promise<void> {
    const { connection, channel } = await this.#open()
    await connection.during(deadline, async () => {
      for (const queue of new Set(messages.map((message) => message.queue))) {
        await this.#layout.declareTask(connection, queue)
      }
      for (const waitMs of new Set(messages.map((message) => message.waitMs))) {
        if (waitMs > 0) await this.#layout.declareDelay(connection, waitMs)
      }
      const bytes = messages.reduce((sum, { body }) => sum + body.length, 0)
      // One that is too large for the server closes the channel: others are not to suffer.
      const own = bytes > LARGE_BYTES ? await connection.channel() : undefined
      try {
        await this.#send(messages, own ?? channel, deadline)
      } finally {
        own?.close()
      }
    })
  }

  async #send(messages: readonly RabbitMessage[], channel: RabbitChannel, { at }: Deadline): Promise<void> {
    // A frozen server takes what it was sent when it goes on. So it gets nothing that counts before it has just answered,
    // and in time to confirm.
    await channel.answered()
    if (at - Date.now() < this.#timeoutMs / 4) throw new DOMException('it answers too slowly', 'TimeoutError')
    await Promise.all(messages.map((message) => channel.publish(message)))
  }
}

const LARGE_BYTES = 1_000_000
