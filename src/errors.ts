/**
 * The errors of this package, recognised by `name`, and what to do about other people's.
 *
 * @module
 */
import { isPromise } from './values.ts'

/** Thrown by `add` when `maxPending` tasks are unsettled already. Answer with status 503. */
export class TooManyTasksError extends Error {
  override readonly name = 'TooManyTasksError'
}

/** Prints what went wrong in a callback or adapter: thrown, it would hit somebody innocent. */
export function print(what: string, error: unknown): void {
  console.error(`background-tasks: ${what}:`, error)
}

/** Calls somebody else's function; what it throws, or rejects with, is printed and goes no further. */
export function guarded(what: string, call: () => unknown): void {
  const failed = (error: unknown): void => print(what, error)
  try {
    const result = call()
    if (isPromise(result)) result.then(undefined, failed)
  } catch (error) {
    failed(error)
  }
}
