/**
 * Runs one task: its attempts, the waits between them, its time limit.
 *
 * @module
 */
import { type Outcome, startTimer, stopTimer } from './adapter.ts'
import { Attempt } from './attempt.ts'
import type { TaskContext } from './define-task.ts'
import type { Entry, Policy } from './entry.ts'
import { handOverLate } from './hand-over.ts'
import { callInTask } from './in-task.ts'
import { tell } from './observer.ts'
import { backoffMs, isLast } from './retry.ts'
import type { Run } from './run-list.ts'
import { newGate } from './values.ts'

/** Runs the task; its end is told to the run. */
export function runTask(entry: Entry, run: Run): void {
  if (entry.policy?.place === 'queue') {
    handOverLate(entry, run, runTask)
    return
  }
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
    // In the `try`, as a promise may have a `then` of its own.
    else endWith(result, entry, run)
  } catch (error) {
    run.end(entry, 'failed', { error })
  }
}

// Apart, for its closures: see observer.ts.
function endWith(result: unknown, entry: Entry, run: Run): void {
  // Promise.resolve is what tames a thenable: it may settle twice, or throw from `then`.
  Promise.resolve(result).then(
    () => run.end(entry, 'succeeded'),
    (error) => run.end(entry, 'failed', { error }),
  )
}

function mayBeThenable(value: unknown): boolean {
  return typeof value === 'function' || (typeof value === 'object' && value !== null)
}

/** The same for a task that may have a definition, a time limit, or further attempts. */
function attemptUnder(policy: Policy, entry: Entry, run: Run): void {
  const { task, retry, timeoutMs } = policy
  const { name, attempt: number } = entry
  const controller = task && new AbortController()
  const attempt = new Attempt(controller)
  policy.stop = (reason) => attempt.stop(reason)
  // Made before the call: a reaction runs in the async context of its `then`, and this attempt may enter another one.
  const again = retry && newGate()
  again?.promise.then(() => runTask(entry, run))
  const fail = (error: unknown): void => {
    if (!retry || isLast(retry, number, error)) run.end(entry, 'failed', { error })
    else tell(run, entry, 'retrying', { error })
    if (entry.ended || !again) return
    // What ends the wait is told no duration: no attempt runs.
    entry.startedAt = undefined
    const wait = startTimer(again.open, run.scope.impatient ? 0 : backoffMs(retry, number))
    // Not `policy`, which would keep the input as long as an attempt hangs.
    if (entry.policy) entry.policy.stop = () => stopTimer(wait)
  }
  attempt.run(callOf(entry, run, controller), name, timeoutMs, () => run.end(entry, 'succeeded'), fail)
}

/** In a function of its own, as closures of one function keep what any of them uses: an attempt that hangs, its arguments. */
function callOf(entry: Entry, run: Run, controller: AbortController | undefined): () => unknown {
  const { id, name, attempt } = entry
  const outcome = run.outcome as Outcome
  const context: TaskContext | undefined = controller && { id, name, attempt, signal: controller.signal, outcome }
  const args = [...(entry.args as unknown[]), ...(context ? [context] : [])]
  return () => callInTask(run.scope, entry.work as () => unknown, args)
}
