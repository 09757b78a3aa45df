/**
 * What an observer sees. Every task ends in exactly one of the last four events.
 *
 * @module
 */
import type { Delivery } from './adapter.ts'
import type { Entry } from './run-task.ts'

/** Names a task. */
export interface TaskInfo {
  /** A UUID. */
  readonly id: string
  /** The name of the function, or `anonymous`. */
  readonly name: string
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
  /** How long the attempt took, in milliseconds; on the ends of a task that was started. */
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

/** Made only where somebody observes. */
export function eventOf(
  { id, name, attempt, startedAt }: Entry,
  delivery: Delivery | undefined,
  type: TaskEvent['type'],
  detail: Partial<TaskEvent> | undefined,
): TaskEvent {
  return {
    type,
    task: { id, name },
    at: Date.now(),
    ...(attempt && { attempt }),
    ...(startedAt && type !== 'started' && { durationMs: performance.now() - startedAt }),
    ...(delivery && { delivery }),
    ...detail,
  }
}
