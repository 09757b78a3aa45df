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
  getHeaderNames?(): string[]
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
    work.then(finish, (error) => {
      print('the queue did not take the tasks of a response', error)
      res.end = end
      refuse(res)
    })
    return res
  }
}

function refuse(res: EndingLike): void {
  if (res.headersSent) {
    res.destroy?.()
    return
  }
  for (const name of res.getHeaderNames?.() ?? []) res.removeHeader?.(name)
  res.statusCode = 500
  res.end?.()
}
