/**
 * What is told of a run of a job.
 *
 * @module
 */
import { guarded } from '../../src/errors.ts'
import type { TaskEnd, TaskEvent, TaskInfo, TraceContext } from '../../src/observer.ts'
import type { Worker } from './_worker.ts'

export class JobEvents {
  readonly #worker: Worker
  readonly #job: TaskInfo
  readonly #attempt: number
  readonly #trace: TraceContext | undefined
  #startedAt: number | undefined

  constructor(worker: Worker, job: TaskInfo, attempt: number, trace: TraceContext | undefined) {
    this.#worker = worker
    this.#job = job
    this.#attempt = attempt
    this.#trace = trace
  }

  started(): void {
    this.#startedAt = performance.now()
    this.tell('started')
  }

  /** Counts the end of the run, and tells it. */
  ended(type: TaskEnd, detail?: Partial<TaskEvent>): void {
    this.#worker.count(type, this.#job)
    this.tell(type, detail)
  }

  tell(type: TaskEvent['type'], detail?: Partial<TaskEvent>): void {
    const { name: queue, settings } = this.#worker
    const { observer } = settings
    if (!observer) return
    const { id, name } = this.#job
    const startedAt = type === 'started' ? undefined : this.#startedAt
    guarded('observer failed', () =>
      observer({
        type,
        task: { id, name },
        at: Date.now(),
        attempt: this.#attempt,
        ...(startedAt !== undefined && { durationMs: performance.now() - startedAt }),
        queue,
        ...(this.#trace && { trace: this.#trace }),
        ...detail,
      }),
    )
  }

  /** Tells `onError`. */
  report(error: unknown): void {
    const { id, name } = this.#job
    guarded('onError failed', () => this.#worker.settings.onError(error, { id, name, attempt: this.#attempt }))
  }
}
