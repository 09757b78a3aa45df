/**
 * A message of RabbitMQ that is being worked on, from its first delivery until the server knows its end.
 *
 * @module
 */
import { startTimer, stopTimer } from '../../src/adapter.ts'
import { within } from './_deadline.ts'
import type { AmqpMessageLike } from './_rabbitmq-amqp.ts'
import type { RabbitChannel } from './_rabbitmq-channel.ts'
import type { Connection } from './_rabbitmq-connection.ts'
import type { Layout, RabbitMessage } from './_rabbitmq-layout.ts'
import type { Publisher } from './_rabbitmq-publisher.ts'

/** A message that is ours until its channel ends; then the server gives it again, to us or to somebody else. */
export interface Delivery {
  readonly channel: RabbitChannel
  readonly message: AmqpMessageLike
}

/** What the consumers of a queue share. */
export interface RabbitHost {
  readonly layout: Layout
  readonly publisher: Publisher
  readonly timeoutMs: number
  readonly leaseMs: number
  /** The one on which they are. */
  connection(): Promise<Connection>
}

/** Who works on it. */
export interface Holder {
  readonly host: RabbitHost
  /** Whether the server can give it again to us. */
  readonly isListening: boolean
  readonly isStopped: boolean
}

export class HeldMessage {
  /** The latest one. */
  delivery: Delivery
  /** Resolves when it is held no more. */
  work: Promise<unknown> | undefined

  constructor(delivery: Delivery) {
    this.delivery = delivery
  }

  /** Publishes what is to come after it, then lets the server know its end; over outages, as long as it may be ours. */
  async settle(holder: Holder, messages: readonly RabbitMessage[], end: 'done' | 'dead' | 'again'): Promise<void> {
    const { publisher, timeoutMs, leaseMs } = holder.host
    const left = [...messages]
    let until = Number.POSITIVE_INFINITY
    for (;;) {
      try {
        for (; left.length > 0; left.splice(0, CHUNK)) {
          await within(timeoutMs, (deadline) => publisher.publish(left.slice(0, CHUNK), deadline))
        }
        const { channel, message } = this.delivery
        return await channel.settle(message, end)
      } catch (error) {
        // Somebody else has it, if it does not come back to us by then.
        if (this.delivery.channel.isClosed && holder.isListening) until = Math.min(until, Date.now() + leaseMs)
        if (holder.isStopped || Date.now() > until) {
          giveBack(this.delivery)
          throw error
        }
      }
      await pause(FIRST_WAIT_MS)
    }
  }
}

export const FIRST_WAIT_MS = 100
/** How many messages are published at once. */
const CHUNK = 500

export function giveBack({ channel, message }: Delivery): void {
  channel.settle(message, 'again').catch(() => {})
}

export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      stopTimer(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = startTimer(end, ms)
    signal?.addEventListener('abort', end)
    if (signal?.aborted) end()
  })
}
