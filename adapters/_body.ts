/**
 * For hosts that do not tell when a response is done: it counts as done once returned, or once its body has ended.
 *
 * @module
 */
import { type Adapter, afterMacrotask, type Call, type Delivery, startTimer, stopTimer } from '../src/adapter.ts'
import { isWorkerd, type Over, pumped, UNREAD_MS } from './_pumped.ts'
import { afterSharedMacrotask, startWith } from './_shared-hop.ts'

const STREAMING =
  /^(text\/event-stream|application\/x-ndjson|application\/jsonl|multipart\/x-mixed-replace|text\/x-component)\b/i

const isBun = 'Bun' in globalThis

// On another host a request may be unable to wait for what another one has asked for.
function afterTurn(start: (delivery: Delivery) => void, delivery: Delivery): void {
  if (isBun) afterSharedMacrotask(startWith, start, delivery)
  else afterMacrotask(start, delivery)
}

/** What such a host cannot do. */
export const LACKS: NonNullable<Adapter['lacks']> = {
  lastByte: 'the host does not tell when a response is done',
  aborted: 'only a tracked body tells, when it is cancelled',
  largeBody: 'the host may have read the body ahead of the socket',
  addInBody: "nothing tells that a body is still being produced: add one task before returning, or set `start: 'body'`",
}

/** The `afterResponse` of such a host. */
export function afterReturn(
  start: (delivery: Delivery) => void,
  call: Call,
  response: Response | undefined,
): Response | undefined {
  const body = response && isTracked(call, response) ? response.body : undefined
  if (!response || !body || body.locked || response.bodyUsed) return void afterTurn(start, 'returned')
  // The Response itself is the init, as some hosts keep more in it than a script can read (content encoding, webSocket).
  return new Response((isWorkerd ? pumped : tracked)(body, once(start), call.request), response)
}

// By the headers first: on Bun a mere read of `body` changes the Content-Type that goes out.
function isTracked({ start, request }: Call, response: Response): boolean {
  if (start === 'response' || (start === 'auto' && !isStreaming(response))) return false
  const { status } = response
  // 101 and Response.error() cannot be made again.
  if (request?.method === 'HEAD' || status < 200) return false
  return start === 'auto' || status < 300 || status >= 400
}

function isStreaming({ headers }: Response): boolean {
  const type = headers.get('content-type')
  if (type !== null && STREAMING.test(type)) return true
  const encoding = headers.get('transfer-encoding')
  return encoding !== null && /\bchunked\b/i.test(encoding)
}

function once(start: (delivery: Delivery) => void): Over {
  let isOver = false
  return (delivery) => {
    if (!isOver) afterTurn(start, delivery)
    isOver = true
  }
}

/** The same bytes, pulled only when the reader pulls; says when there are no more to come. */
function tracked(body: ReadableStream<Uint8Array>, over: Over): ReadableStream<Uint8Array> {
  // Whoever waits for the tasks before reading the body (test tools do) would wait for ever.
  const unread = startTimer(() => over('returned'), UNREAD_MS)
  const bytes = isByteStream(body)
  const reader = body.getReader()
  return new ReadableStream(
    {
      type: bytes ? 'bytes' : undefined,
      async pull(controller: ReadableByteStreamController) {
        stopTimer(unread)
        try {
          const { done, value } = await reader.read()
          if (!done) return controller.enqueue(value as Uint8Array<ArrayBuffer>)
          controller.close()
          // A pending read into the reader's own buffer is answered only so.
          controller.byobRequest?.respond(0)
          over('returned')
        } catch (error) {
          over('aborted')
          throw error
        }
      },
      cancel(reason) {
        stopTimer(unread)
        over('aborted')
        return reader.cancel(reason)
      },
    } as UnderlyingByteSource,
    { highWaterMark: 0 },
  )
}

// Only then may the wrapper be one: a byte stream takes the buffers of its chunks away from whoever enqueues them.
function isByteStream(body: ReadableStream): boolean {
  try {
    body.getReader({ mode: 'byob' }).releaseLock()
    return true
  } catch {
    return false
  }
}
