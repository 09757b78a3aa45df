/**
 * Runs one task: its attempts, the waits between them, its time limit.
 *
 * @module
 */
import { type Outcome, startTimer, stopTimer } from './adapter.ts'
import type { TaskContext } from './define-task.ts'
import type { Entry, Policy } from './entry.ts'
import { guarded, isFinal, TaskTimeoutError } from './errors.ts'
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
  try {
    const result = callInTask(run.scope, work, args)
    if (!mayBeThenable(result)) run.end(entry, 'succeeded')
    // Promise.resolve is what tames a thenable: it may settle twice, or throw from `then`. In the `try`, as a promise
    // may have a `then` of its own.
    else {
      Promise.resolve(result).then(
        () => run.end(entry, 'succeeded'),
        (error) => run.end(entry, 'failed', { error }),
      )
    }
  } catch (error) {
    run.end(entry, 'failed', { error })
  }
}

function mayBeThenable(value: unknown): boolean {
  return typeof value === 'function' || (typeof value === 'object' && value !== null)
}

/** The same for a task that may have a definition, a time limit, or further attempts. */
function attemptUnder(policy: Policy, entry: Entry, run: Run): void {
  const { task, retry, timeoutMs } = policy
  const { id, name, attempt } = entry
  const controller = task && new AbortController()
  // workerd throws what a listener throws.
  const abort = (reason: unknown): void => guarded('abort listener failed', () => controller?.abort(reason))
  let isOver = false
  /** Whether that was the end of the attempt: what comes after it is ignored. */
  const isEnd = (): boolean => {
    const wasOver = isOver
    isOver = true
    stopTimer(timer)
    return !wasOver
  }
  const succeed = (): void => {
    if (isEnd()) run.end(entry, 'succeeded')
  }
  const fail = (error: unknown): void => {
    if (!isEnd()) return
    if (!retry || attempt >= retry.attempts || isFinal(error)) run.end(entry, 'failed', { error })
    else tell(run, entry, 'retrying', { error })
    if (entry.ended || !retry) return
    // What ends the wait is told no duration: no attempt runs.
    entry.startedAt = undefined
    const wait = startTimer(() => runTask(entry, run), run.scope.impatient ? 0 : backoffMs(retry, attempt))
    // Not `policy`, which would keep the input as long as an attempt hangs.
    if (entry.policy) entry.policy.stop = () => stopTimer(wait)
  }
  const exceed = (): void => {
    const error = new TaskTimeoutError(`Task '${name}' took longer than ${timeoutMs} ms`)
    abort(error)
    fail(error)
  }
  const timer = timeoutMs && startTimer(exceed, timeoutMs)
  policy.stop = (reason) => {
    isEnd()
    abort(reason)
  }
  const args = entry.args as unknown[]
  const outcome = run.outcome as Outcome
  const context: TaskContext | undefined = controller && { id, name, attempt, signal: controller.signal, outcome }
  try {
    const result = callInTask(run.scope, entry.work as () => unknown, context ? [...args, context] : args)
    Promise.resolve(result).then(succeed, fail)
  } catch (error) {
    fail(error)
  }
}
