/**
 * Runs one task: its attempts, the waits between them, its time limit.
 *
 * @module
 */
import { type Outcome, startTimer, stopTimer } from './adapter.ts'
import type { TaskContext } from './define-task.ts'
import type { Entry, Policy } from './entry.ts'
import { isFinal, TaskTimeoutError } from './errors.ts'
import { callInTask } from './in-task.ts'
import { tell } from './observer.ts'
import { backoffMs } from './retry.ts'
import type { Run } from './run-list.ts'

/** Runs the task; its end is told to the run. */
export function runTask(entry: Entry, run: Run): void {
  const { policy, work, args } = entry as { policy: Policy | undefined; work: () => unknown; args: unknown[] }
  entry.attempt++
  if (run.scope.options.observer) entry.startedAt = performance.now()
  tell(run, entry, 'started')
  if (entry.ended) return
  if (policy) {
    attemptUnder(policy, entry, run)
    return
  }
  let result: unknown
  try {
    result = callInTask(run.scope, work, args)
  } catch (error) {
    run.end(entry, 'failed', { error })
    return
  }
  if (!mayBeThenable(result)) run.end(entry, 'succeeded')
  // Promise.resolve is what tames a thenable: it may settle twice, or throw from `then`.
  else {
    Promise.resolve(result).then(
      () => run.end(entry, 'succeeded'),
      (error) => run.end(entry, 'failed', { error }),
    )
  }
}

function mayBeThenable(value: unknown): boolean {
  return typeof value === 'function' || (typeof value === 'object' && value !== null)
}

/** The same for a task that may have a definition, a time limit, or further attempts. */
function attemptUnder(policy: Policy, entry: Entry, run: Run): void {
  const { task, retry, timeoutMs } = policy
  const context = task && new Context(entry, run.outcome as Outcome)
  let over = false
  const stop = (reason: unknown): void => {
    over = true
    stopTimer(timer)
    if (context) Context.abort(context, reason)
  }
  const fail = (error: unknown): void => {
    if (over) return
    over = true
    stopTimer(timer)
    if (!retry || entry.attempt >= retry.attempts || isFinal(error)) run.end(entry, 'failed', { error })
    else tell(run, entry, 'retrying', { error })
    if (entry.ended || !retry) return
    // What ends the wait is told no duration: no attempt runs.
    entry.startedAt = undefined
    const wait = startTimer(() => runTask(entry, run), run.scope.impatient ? 0 : backoffMs(retry, entry.attempt))
    policy.stop = () => stopTimer(wait)
  }
  const succeed = (): void => {
    if (!over) run.end(entry, 'succeeded')
    over = true
    stopTimer(timer)
  }
  const timer =
    timeoutMs &&
    startTimer(() => {
      const error = new TaskTimeoutError(`Task '${entry.name}' took longer than ${timeoutMs} ms`)
      if (context) Context.abort(context, error)
      fail(error)
    }, timeoutMs)
  policy.stop = stop
  const args = entry.args as unknown[]
  try {
    const result = callInTask(run.scope, entry.work as () => unknown, context ? [...args, context] : args)
    if (mayBeThenable(result)) Promise.resolve(result).then(succeed, fail)
    else succeed()
  } catch (error) {
    fail(error)
  }
}

/** A class, as an object literal with a getter has a shape of its own each time. */
class Context implements TaskContext {
  readonly id: string
  readonly name: string
  readonly attempt: number
  readonly outcome: Outcome
  #made: AbortController | undefined

  constructor({ id, name, attempt }: Entry, outcome: Outcome) {
    this.id = id
    this.name = name
    this.attempt = attempt
    this.outcome = outcome
  }

  /** Made when it is first asked for, as it is dearer than all the rest. */
  get #controller(): AbortController {
    return (this.#made ??= new AbortController())
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  static abort(context: Context, reason: unknown): void {
    context.#controller.abort(reason)
  }
}
