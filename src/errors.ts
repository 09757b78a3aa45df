/**
 * The errors of this package, recognised by `name`, and how a callback's own failure is printed.
 *
 * @module
 */

/** Thrown by `add` when `maxPending` unsettled tasks exist already. Answer with status 503. */
export class TooManyTasksError extends Error {
  override readonly name = 'TooManyTasksError'
}

/** Prints what went wrong in a callback or adapter: never thrown, it would hit somebody innocent. */
export function print(what: string, error: unknown): void {
  console.error(`background-tasks: ${what}:`, error)
}

/** Calls somebody else's function; what it throws, or rejects with, is printed and goes no further. */
export function guarded(what: string, call: () => unknown): void {
  try {
    const result = call()
    if (typeof result === 'object' && result !== null) Promise.resolve(result).catch((error) => print(what, error))
  } catch (error) {
    print(what, error)
  }
}

/** Shows a value in a message, shortly and without ever throwing. */
export function show(value: unknown): string {
  try {
    return (typeof value === 'string' ? JSON.stringify(value) : typeof value === 'object' && value ? Object.prototype.toString.call(value) : String(value)).slice(0, 80)
  } catch {
    return typeof value
  }
}
