/**
 * What goes through Cloudflare Queues.
 *
 * @module
 */
import { isObject } from '../../src/rules.ts'
import type { Envelope } from './_json.ts'

/** The part of a `Message` that is used. */
export interface MessageLike {
  readonly id: string
  readonly body: unknown
  readonly attempts: number
  ack(): void
  retry(options?: { delaySeconds?: number }): void
}

/** The part of a `MessageBatch` that is used. */
export interface MessageBatchLike {
  readonly messages: readonly MessageLike[]
}

/** What a message holds: the envelope, and what only this engine needs, as all tasks share a queue. */
export interface Parcel extends Envelope {
  readonly task: string
  /** It was sent a second time, because too many deliveries had been counted. */
  readonly again?: true | undefined
}

/** The platform's limit for a message, less the hundred bytes that it may add. */
export const MESSAGE_BYTES = 127_900
/** Past it the platform refuses a delay. */
export const MAX_DELAY_SECONDS: number = 24 * 3600

export const bytesOf = (text: string): number => new TextEncoder().encode(text).length

/** The body of a message. */
export function bodyOf(task: string, envelope: string): string {
  return `{"task":${JSON.stringify(task)},${envelope.slice(1)}`
}

/** What a body holds; undefined where this package did not make it. */
export function parcelOf(body: unknown): Parcel | undefined {
  try {
    const parcel: unknown = JSON.parse(String(body))
    return isObject(parcel) && typeof (parcel as Parcel).task === 'string' ? (parcel as Parcel) : undefined
  } catch {
    return undefined
  }
}
