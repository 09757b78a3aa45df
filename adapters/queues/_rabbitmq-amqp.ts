/**
 * The parts of amqplib that are used. Its own types ask for those of Node, which must not be asked of everybody.
 *
 * @module
 */
export interface AmqpLike {
  connect(url: string, socket: { readonly noDelay: boolean; readonly signal: AbortSignal }): Promise<AmqpConnectionLike>
}

export interface AmqpConnectionLike {
  on(event: 'error' | 'close', listener: (error?: Error) => void): unknown
  on(event: 'blocked', listener: (reason: string) => void): unknown
  createConfirmChannel(): Promise<AmqpChannelLike>
  close(): Promise<void>
}

export interface AmqpChannelLike {
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'close', listener: () => void): unknown
  on(event: 'return', listener: (message: AmqpMessageLike) => void): unknown
  assertQueue(name: string, options: QueueOptions): Promise<unknown>
  assertExchange(name: string, type: 'fanout', options: { readonly durable: boolean }): Promise<unknown>
  checkExchange(name: string): Promise<unknown>
  bindQueue(queue: string, exchange: string, pattern: string): Promise<unknown>
  publish(
    exchange: string,
    key: string,
    body: Uint8Array,
    options: PublishOptions,
    confirmed: (error: unknown) => void,
  ): boolean
  prefetch(count: number): Promise<unknown>
  /** `null` is the end of it, by the server. */
  consume(
    queue: string,
    take: (message: AmqpMessageLike | null) => void,
    options: { readonly consumerTag: string },
  ): Promise<unknown>
  cancel(consumerTag: string): Promise<unknown>
  ack(message: AmqpMessageLike, allUpTo: boolean): void
  reject(message: AmqpMessageLike, requeue: boolean): void
  close(): Promise<void>
}

export interface QueueOptions {
  readonly durable: boolean
  readonly arguments: object
}

export interface PublishOptions {
  readonly messageId: string
  readonly type?: string
  readonly headers?: object
  readonly contentType: string
  readonly persistent: boolean
  readonly mandatory: boolean
}

export interface AmqpMessageLike {
  /** The number of its delivery: counted up on a channel. */
  readonly fields: { readonly deliveryTag: number }
  readonly content: { toString(): string }
  readonly properties: {
    readonly messageId?: string | undefined
    readonly type?: string | undefined
    readonly headers?: Readonly<Record<string, any>> | undefined
  }
}

/** It takes nothing but Node's own kind of bytes. */
export function bytesOf(text: string): Uint8Array {
  return (globalThis as unknown as { Buffer: { from(text: string): Uint8Array } }).Buffer.from(text)
}
