/**
 * Tracks a body on workerd.
 *
 * @module
 */
import { type Delivery, startTimer, stopTimer } from '../src/adapter.ts'

/** How long a body may stay unread, in milliseconds, until it counts as returned. */
export const UNREAD_MS = 100

/** Told, at least once, that there are no more bytes to come. */
export type Over = (delivery: Delivery) => void

declare const IdentityTransformStream: new () => TransformStream<Uint8Array, Uint8Array>
export const isWorkerd: boolean = 'IdentityTransformStream' in globalThis

/**
 * The same bytes, for workerd, which tells a stream made in JavaScript nothing of a client that left: it just stops
 * pulling. Its own transform fails the next write, and the request's signal is aborted at once (with
 * `enable_request_signal`).
 */
export function pumped(
  body: ReadableStream<Uint8Array>,
  over: Over,
  request: Request | undefined,
): ReadableStream<Uint8Array> {
  const { readable, writable } = new IdentityTransformStream()
  const reader = body.getReader()
  const writer = writable.getWriter()
  let unread: unknown
  const pump = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read()
      unread ??= startTimer(() => over('returned'), UNREAD_MS)
      await (done ? writer.close() : writer.write(value))
      stopTimer(unread)
      if (done) return over('returned')
    }
  }
  request?.signal?.addEventListener('abort', () => over('aborted'))
  pump().catch((error) => {
    stopTimer(unread)
    over('aborted')
    for (const end of [reader.cancel(error), writer.abort(error)]) end.catch(() => {})
  })
  return readable
}
