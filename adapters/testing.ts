/**
 * Holds the tasks of the code under test until the test says so.
 *
 * @module
 */
import type { Adapter } from '../src/adapter.ts'
import { partsOf } from '../src/background-tasks.ts'
import type { Scope } from '../src/create-background-tasks.ts'
import type { PendingTask } from '../src/entry.ts'
import { isInTaskOf } from '../src/in-task.ts'
import type { TaskEvent } from '../src/observer.ts'
import { HeldLists } from './_held-lists.ts'

/** How {@link TaskRecorder.runAll} ends. */
export interface RunAllOptions {
  /**
   * Whether the error of a task is thrown once all have ended: that one, or an AggregateError of several.
   *
   * @default false
   */
  throwErrors?: boolean | undefined
}

/** What ended while {@link TaskRecorder.runAll} ran. */
export interface RunReport {
  succeeded: number
  failed: number
  discarded: number
  /** What the failed tasks failed with, in order. */
  errors: unknown[]
}

/** An adapter that holds the tasks instead of starting them. */
export interface TaskRecorder extends Adapter {
  /** The tasks of all requests that have not started, in order of adding. A copy: changing it changes nothing. */
  readonly pending: readonly PendingTask[]
  /** What tasks failed with so far, in order, over all runs. Empty it with `errors.length = 0`. */
  readonly errors: unknown[]
  /**
   * Starts what is held, and waits until nothing is left: tasks added meanwhile included, resources of `use` disposed of.
   * A retry comes without its delay.
   *
   * The tasks of a request whose handler still runs when all others have ended stay held: await the response first.
   *
   * @returns what ended meanwhile
   * @throws what tasks failed with, where `throwErrors` says so
   * @throws {Error} called from inside a task, where it would wait for itself (where that can be told, as for `drain`)
   */
  runAll(options?: RunAllOptions): Promise<RunReport>
  /** Discards what is held; each task is reported as `discarded`, with the reason `cleared`. */
  clear(): void
}

/**
 * Makes an adapter for tests: tasks are held, can be looked at, and run when the test says so. In place of `drain`, which
 * would wait for what nobody starts. It may serve any number of wrappers.
 *
 * A failed task is told to `onError` as always; pass one, or the default prints it. Fake timers stop nothing, if they are
 * installed after this module was imported.
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { recordTasks } from 'background-tasks/testing'
 *
 * const recorder = recordTasks()
 * const handler = withBackgroundTasks(
 *   (_request, tasks) => {
 *     tasks.add(console.log, 'later')
 *     return new Response('now')
 *   },
 *   { adapter: recorder },
 * )
 * await handler(new Request('http://localhost/'))
 * console.log(recorder.pending.map(({ args }) => args)) // [['later']]
 * console.log(await recorder.runAll({ throwErrors: true })) // { succeeded: 1, … }
 * ```
 */
export function recordTasks(): TaskRecorder {
  const held = new HeldLists()
  const scopes = new WeakSet<Scope>()
  const reports = new Set<RunReport>()
  const errors: unknown[] = []

  function record({ type, task, error }: TaskEvent): void {
    if (type === 'added') held.added(task.id)
    if (type === 'failed') errors.push(error)
    for (const report of reports) {
      if (type === 'succeeded' || type === 'failed' || type === 'discarded') report[type]++
      if (type === 'failed') report.errors.push(error)
    }
  }

  function observe(scope: Scope): void {
    if (scopes.has(scope)) return
    scopes.add(scope)
    scope.impatient = true
    const { observer } = scope.options
    const recorded = (event: TaskEvent): unknown => {
      record(event)
      // What it gives is looked at: it may reject.
      return observer?.(event)
    }
    scope.options.observer = Object.assign(recorded, { trace: observer?.trace })
  }

  return {
    name: 'testing',
    errors,
    get pending() {
      return held.pending
    },
    keepAlive(work, { tasks }) {
      observe(partsOf(tasks).scope)
      held.keepAlive(tasks, work)
    },
    afterResponse(start, { tasks }) {
      held.afterResponse(tasks, start)
    },
    async runAll({ throwErrors = false } = {}) {
      if (held.tasks.some((tasks) => isInTaskOf(partsOf(tasks).scope))) {
        throw new Error('Cannot run all tasks inside one of them as it would wait for itself')
      }
      const report: RunReport = { succeeded: 0, failed: 0, discarded: 0, errors: [] }
      reports.add(report)
      await held.runAll()
      reports.delete(report)
      if (throwErrors && report.failed === 1) throw report.errors[0]
      if (throwErrors && report.failed > 1) throw new AggregateError(report.errors, `${report.failed} tasks failed`)
      return report
    },
    clear: () => held.clear(),
  }
}
