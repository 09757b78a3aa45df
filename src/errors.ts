/**
 * The errors of this package, recognised by `name`, and what to do about other people's.
 *
 * @module
 */
import type { StandardIssue } from './standard-schema.ts'
import { isPromise } from './values.ts'

/** Thrown by `add` when `maxPending` tasks are unsettled already. Answer with status 503. */
export class TooManyTasksError extends Error {
  override readonly name: string = 'TooManyTasksError'
}

/** Thrown by `add` when the input of a task is not what its schema wants; also by a worker that finds it so. */
export class TaskInputError extends Error {
  override readonly name: string = 'TaskInputError'
  /** What the schema said. */
  readonly issues: readonly StandardIssue[]

  constructor(message: string, issues: readonly StandardIssue[] = [], options?: ErrorOptions) {
    super(message, options)
    this.issues = issues
  }
}

/** What a task fails with that took longer than its `timeoutMs`. Its signal is aborted with the same. */
export class TaskTimeoutError extends Error {
  override readonly name: string = 'TaskTimeoutError'
}

/** To be thrown by a task that need not be tried again, whatever its `retry` says. */
export class NonRetryableError extends Error {
  override readonly name: string = 'NonRetryableError'
}

/** Thrown where a durable engine is down, refuses, or cannot do what was asked; `cause` is what the engine said. */
export class QueueError extends Error {
  override readonly name: string = 'QueueError'
}

/** Whether there is no point in a further attempt. Also by name, as the class may come from another copy of the package. */
export function isFinal(error: unknown): boolean {
  try {
    if (error instanceof NonRetryableError) return true
    return error instanceof Error && /^(NonRetryable|TaskInput)Error$/.test(error.name)
  } catch {
    // Anything may be thrown, also what cannot be looked at.
    return false
  }
}

/** Prints what went wrong in a callback or adapter: thrown, it would hit somebody innocent. */
export function print(what: string, error: unknown): void {
  try {
    console.error(`background-tasks: ${what}:`, error)
  } catch {
    // Tests make it throw, which must not cost the tasks that are still to come.
  }
}

/** Calls somebody else's function; what it throws, or rejects with, is printed and goes no further. */
export function guarded<A extends unknown[]>(what: string, call: (...args: A) => unknown, ...args: A): void {
  const failed = (error: unknown): void => print(what, error)
  try {
    const result = call(...args)
    if (isPromise(result)) result.then(undefined, failed)
  } catch (error) {
    failed(error)
  }
}
