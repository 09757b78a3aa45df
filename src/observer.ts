/**
 * What an observer sees. Every task ends in exactly one of the last four events.
 *
 * @module
 */
import type { Delivery } from './adapter.ts'
import type { Scope } from './create-background-tasks.ts'
import type { Entry } from './entry.ts'
import { guarded } from './errors.ts'
import type { Run } from './run-list.ts'

/** Names a task. */
export interface TaskInfo {
  /** A UUID, or what the caller set. */
  readonly id: string
  /** Of a defined task its name; of a function its name, or `anonymous`. */
  readonly name: string
}

/** Names a task that failed. */
export interface FailedTask extends TaskInfo {
  /** The number of its last attempt, from 1. */
  readonly attempt: number
}

/** The four ways in which a task ends. */
export type TaskEnd = 'succeeded' | 'failed' | 'discarded' | 'abandoned'

/** One step in the life of a task. */
export interface TaskEvent {
  readonly type: 'added' | 'started' | 'retrying' | TaskEnd
  readonly task: TaskInfo
  /** When, as `Date.now()`. */
  readonly at: number
  /** The number of the attempt, from 1; not on `added`, nor where the task never started. */
  readonly attempt?: number
  /** How long the attempt took, in milliseconds; on `retrying`, and on an end during an attempt. */
  readonly durationMs?: number
  /** What it failed with; on `failed` and `retrying`. */
  readonly error?: unknown
  /** Why it did not run, or not to its end; on `discarded` and `abandoned`. */
  readonly reason?: string
  /** How the response ended; not on `added`. */
  readonly delivery?: Delivery
}

/** Sees every event. What it throws is printed and goes no further. */
export type Observer = (event: TaskEvent) => void

/** Tells the observer, where there is one. */
export function tell(run: Run, entry: Entry, type: TaskEvent['type'], detail?: Partial<TaskEvent>): void {
  const { observer } = run.scope.options
  if (observer) guarded('observer failed', () => observer(eventOf(run, entry, type, detail)))
}

function eventOf(
  { outcome }: Run,
  { id, name, attempt, startedAt }: Entry,
  type: TaskEvent['type'],
  detail: Partial<TaskEvent> | undefined,
): TaskEvent {
  return {
    type,
    task: { id, name },
    at: Date.now(),
    ...(attempt && { attempt }),
    ...(startedAt !== undefined && type !== 'started' && { durationMs: performance.now() - startedAt }),
    ...(outcome?.delivery && { delivery: outcome.delivery }),
    ...detail,
  }
}

/** Tells `onError`. */
export function report({ options }: Scope, error: unknown, { id, name, attempt }: FailedTask): void {
  guarded('onError failed', () => options.onError(error, { id, name, attempt }))
}
