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
  /** How the response ended; not on `added`, nor from the worker of a queue. */
  readonly delivery?: Delivery
  /** The name of its queue, where it goes to one. What it does there is told by the worker, perhaps in another process. */
  readonly queue?: string
  /** Where the task was added; only from the worker of a queue. */
  readonly trace?: TraceContext
}

/**
 * Where a task was added, for whoever runs it in another process.
 * https://www.w3.org/TR/trace-context/
 */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string | undefined
}

/** Sees every event. What it throws is printed and goes no further. */
export interface Observer {
  (event: TaskEvent): void
  /** Where the caller is, asked when a task is added that goes to a queue: it comes back in the events of the worker. */
  readonly trace?: (() => TraceContext | undefined) | undefined
}

/** Tells the observer, where there is one. */
export function tell(run: Run, entry: Entry, type: TaskEvent['type'], detail?: Partial<TaskEvent>): void {
  const { observer } = run.scope.options
  // No closure: a function that has one costs a context at every call, whether or not it comes to it.
  if (observer) guarded('observer failed', observer, eventOf(run, entry, type, detail))
}

/** Asks the observer where the caller is. */
export function traceOf(observer: Observer | undefined): TraceContext | undefined {
  let trace: TraceContext | undefined
  if (observer?.trace) {
    guarded('observer failed', () => {
      trace = observer.trace?.()
    })
  }
  return trace
}

function eventOf(
  { outcome, scope }: Run,
  { id, name, attempt, startedAt, policy }: Entry,
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
    ...(policy?.item && { queue: scope.options.queue?.name as string }),
    ...detail,
  }
}

/** Tells `onError`. */
export function report({ options }: Scope, error: unknown, { id, name, attempt }: FailedTask): void {
  guarded('onError failed', () => options.onError(error, { id, name, attempt }))
}
