/**
 * One task: its call, its end, and what is told of it.
 *
 * @module
 */
import type { Delivery } from './adapter.ts'
import type { Scope } from './create-background-tasks.ts'
import { guarded } from './errors.ts'
import type { TaskEnd, TaskEvent, TaskInfo } from './observer.ts'

/** What holds one task from `add` to its end. Small: a list may hold a million. */
export class Entry implements TaskInfo {
  /** Undefined once the task has ended. */
  work: ((...args: any[]) => unknown) | undefined
  args: unknown[] | undefined
  next: Entry | undefined = undefined
  attempt = 0
  #id: string | undefined = undefined

  constructor(work: (...args: any[]) => unknown, args: unknown[]) {
    this.work = work
    this.args = args
  }

  get id(): string {
    return (this.#id ??= crypto.randomUUID())
  }

  get name(): string {
    return this.work?.name || 'anonymous'
  }
}

/** Where a task runs. */
export interface Place {
  readonly scope: Scope
  readonly delivery: Delivery | undefined
  /** Called once for every task that has ended. */
  ended(entry: Entry, type: TaskEnd): void
}

/** Calls the task. Gives a promise, which never rejects, only where there is something to wait for. */
export function runTask(entry: Entry, place: Place): void | Promise<void> {
  const { work, args } = entry as Required<Entry>
  const startedAt = place.scope.options.observer ? performance.now() : 0
  const succeed = () => endTask(entry, place, 'succeeded', { startedAt })
  const fail = (error: unknown) => endTask(entry, place, 'failed', { startedAt, error })
  entry.attempt = 1
  tell(entry, place, 'started')
  try {
    const result = (work as (...args: unknown[]) => unknown)(...(args as unknown[]))
    // Promise.resolve is what tames a thenable: it may settle twice, or throw from `then`.
    if ((typeof result === 'object' || typeof result === 'function') && result !== null) {
      return Promise.resolve(result).then(succeed, fail)
    }
  } catch (error) {
    return fail(error)
  }
  succeed()
}

/** What an end or a retry may have to tell. */
interface Detail {
  readonly startedAt?: number
  readonly error?: unknown
  readonly reason?: string
}

/** Ends the task, once: what comes after (the late result of an abandoned task) is ignored. */
export function endTask(entry: Entry, place: Place, type: TaskEnd, detail: Detail): void {
  if (!entry.work) return
  const { scope } = place
  const { onError } = scope.options
  const info = type === 'failed' || type === 'abandoned' || scope.options.observer ? infoOf(entry) : undefined
  tell(entry, place, type, detail)
  entry.work = entry.args = undefined
  scope.count(type, info)
  if (type === 'failed') guarded('onError failed', () => onError(detail.error, { ...(info as TaskInfo), attempt: entry.attempt }))
  place.ended(entry, type)
}

/** Tells the observer, where there is one. */
export function tell(entry: Entry, place: Place, type: TaskEvent['type'], detail?: Detail): void {
  const { observer } = place.scope.options
  if (!observer) return
  const event: { -readonly [K in keyof TaskEvent]: TaskEvent[K] } = { type, task: infoOf(entry), at: Date.now() }
  if (entry.attempt > 0) event.attempt = entry.attempt
  if (place.delivery) event.delivery = place.delivery
  if (detail?.startedAt) event.durationMs = performance.now() - detail.startedAt
  if (detail && 'error' in detail) event.error = detail.error
  if (detail?.reason) event.reason = detail.reason
  guarded('observer failed', () => observer(event))
}

function infoOf({ id, name }: Entry): TaskInfo {
  return { id, name }
}
