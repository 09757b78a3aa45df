/**
 * What a thread of the pool runs: calls an export of a module, and gives what it threw a form that survives the way back.
 *
 * @module
 */
import { isCloneable, packed } from './_thread-error.ts'

/** One call, as it is sent to the thread. */
export interface ThreadJob {
  /** The module, a `file:` URL. */
  readonly url: string
  readonly exportName: string
  readonly args: readonly unknown[]
}

/** The handler of the pool. */
export async function runJob({ url, exportName, args }: ThreadJob): Promise<unknown> {
  try {
    // In two parts, by which JSR sees that it is no path of this package, to be rewritten.
    const exports: Record<string, unknown> = await import(`file://${new URL(url).href.slice('file://'.length)}`)
    const fn = exports[exportName]
    if (typeof fn !== 'function') {
      const names = Object.keys(exports).join(', ') || 'nothing'
      throw new TypeError(`Cannot call '${exportName}' as it is no function of ${url}, which exports ${names}`)
    }
    const result = await fn(...args)
    // Sent as it is it would end the thread, with an error that says nothing.
    if (!isCloneable(result)) {
      throw new DOMException(
        `What '${exportName}' returned cannot be cloned: return nothing, or data`,
        'DataCloneError',
      )
    }
    return result
  } catch (error) {
    throw packed(error)
  }
}
