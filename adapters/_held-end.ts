/**
 * Holds the end of a Node response back, until what its client may rely on is done.
 *
 * @module
 */
import { print } from '../src/errors.ts'
import { isPromise } from '../src/values.ts'

/** The members that are used of an `http.ServerResponse` or `http2.Http2ServerResponse`. */
interface EndingLike {
  readonly writableEnded?: boolean
  readonly headersSent?: boolean
  statusCode?: number
  statusMessage?: string | undefined
  /** Of HTTP/2. */
  readonly stream?: { close?(code: number): void } | undefined
  getHeaders?(): { readonly [name: string]: unknown }
  setHeader?(name: string, value: any): unknown
  removeHeader?(name: string): void
  destroy?(): unknown
  end?(...args: unknown[]): unknown
}

/**
 * Calls `before` when the response is ended, and ends it when what that gives has settled. Where that fails, the client is
 * answered with status 500, or cut off if it has the status already.
 */
export function holdEnd(res: EndingLike, before: () => unknown): void {
  const { end } = res
  if (res.writableEnded || !end) return
  let isHeld = false
  res.end = (...args) => {
    // A second `end` changes nothing, as ever.
    if (isHeld) return res
    isHeld = true
    const finish = (): unknown => {
      res.end = end
      return res.end(...args)
    }
    const work = before()
    if (!isPromise(work)) return finish()
    const restoreHead = headOf(res)
    const failed = (what: string) => (error: unknown) => {
      print(what, error)
      res.end = end
      refuse(res)
    }
    const finishAsItWas = (): void => {
      restoreHead()
      finish()
    }
    work
      .then(finishAsItWas, failed('the queue did not take the tasks of a response'))
      .then(undefined, failed('a response that waited for the queue could not be ended'))
    return res
  }
}

/** Puts the head back as it is now. Whoever finds it unsent may yet change it: Express does, for an error after `end`. */
function headOf(res: EndingLike): () => void {
  const { statusCode } = res
  // HTTP/2 warns of it.
  const statusMessage = res.stream ? undefined : res.statusMessage
  const headers = res.getHeaders?.() ?? {}
  return () => {
    if (res.headersSent) return
    if (!res.stream) res.statusMessage = statusMessage
    res.statusCode = statusCode as number
    const later = res.getHeaders?.() ?? {}
    for (const name of Object.keys(later)) if (!(name in headers)) res.removeHeader?.(name)
    // Only those: `setHeader` would change the case of a name.
    for (const [name, value] of Object.entries(headers)) if (later[name] !== value) res.setHeader?.(name, value)
  }
}

function refuse(res: EndingLike): void {
  if (res.headersSent) {
    // To be destroyed is no error to a client of HTTP/2.
    if (res.stream?.close) res.stream.close(INTERNAL_ERROR)
    else res.destroy?.()
    return
  }
  for (const name of Object.keys(res.getHeaders?.() ?? {})) res.removeHeader?.(name)
  res.statusCode = 500
  if (!res.stream) res.statusMessage = ''
  res.end?.()
}

// https://www.rfc-editor.org/rfc/rfc9113.html#section-7
const INTERNAL_ERROR = 2
