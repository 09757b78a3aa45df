/**
 * One task: what holds it, and its call.
 *
 * @module
 */
import type { TaskInfo } from './observer.ts'
import type { Run } from './run-list.ts'

/** What holds one task from `add` to its end. Small: a list may hold a million. */
export class Entry implements TaskInfo {
  /** Gone, with the arguments, once the task has ended. */
  work: ((...args: any[]) => unknown) | undefined
  args: unknown[] | undefined
  next: Entry | undefined = undefined
  attempt = 0
  ended = false
  /** As `performance.now()`; set only where somebody observes. */
  startedAt: number | undefined = undefined
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

/** Calls the task. Gives a promise, which never rejects, only where there is something to wait for. */
export function runTask(entry: Entry, run: Run): void | Promise<void> {
  const { work, args = [] } = entry
  entry.attempt = 1
  if (run.scope.options.observer) entry.startedAt = performance.now()
  run.tell(entry, 'started')
  try {
    const result = work?.(...args)
    // Promise.resolve is what tames a thenable: it may settle twice, or throw from `then`.
    if ((typeof result === 'object' && result !== null) || typeof result === 'function') {
      return Promise.resolve(result).then(
        () => run.end(entry, 'succeeded'),
        (error) => run.end(entry, 'failed', { error }),
      )
    }
  } catch (error) {
    return run.end(entry, 'failed', { error })
  }
  run.end(entry, 'succeeded')
}
