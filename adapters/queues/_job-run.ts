/**
 * One run of a job in a worker: from its start to the engine's word that it knows how that ended.
 *
 * @module
 */
import { Attempt } from '../../src/attempt.ts'
import type { Task, TaskContext } from '../../src/define-task.ts'
import { guarded, QueueError } from '../../src/errors.ts'
import { callInTask } from '../../src/in-task.ts'
import type { TaskEnd, TaskEvent, TaskInfo } from '../../src/observer.ts'
import { backoffMs, isLast, type RetryPolicy } from '../../src/retry.ts'
import type { TakenJob, Verdict } from './_engine.ts'
import { type Envelope, encode, errorOf, type Output, openEnvelope, problemOf } from './_json.ts'
import type { Worker } from './_worker.ts'

/** How often a task is started beyond its attempts, because the worker that ran it died. */
export const MAX_DEATHS = 3

export class JobRun implements TaskInfo {
  readonly id: string
  readonly name: string
  readonly #worker: Worker
  readonly #task: Task
  readonly #number: number
  readonly #envelope: Envelope
  /** Why it cannot be run at all. */
  readonly #problem: unknown
  readonly #retry: RetryPolicy | undefined
  readonly #controller = new AbortController()
  readonly #attempt = new Attempt(this.#controller)
  #resolve: ((verdict: Verdict) => void) | undefined
  #startedAt: number | undefined
  #isDecided = false

  constructor(worker: Worker, task: Task, { id, text, attempt }: TakenJob) {
    let envelope: Envelope = { v: 1 }
    try {
      envelope = openEnvelope(text)
    } catch (error) {
      this.#problem = error
    }
    this.id = envelope.id ?? id
    this.name = task.name
    this.#worker = worker
    this.#task = task
    this.#number = attempt
    this.#envelope = envelope
    this.#retry = task.retry ?? worker.settings.retry
    const starts = (this.#retry?.attempts ?? 1) + MAX_DEATHS
    if (attempt > starts) {
      this.#problem ??= new QueueError(
        `Task '${task.name}' was started ${starts} times without an end: its workers died`,
      )
    }
  }

  /** Runs the task, and says what the engine has to do. Never rejects. */
  start(): Promise<Verdict> {
    const { name } = this
    const task = this.#task
    const verdict = new Promise<Verdict>((resolve) => {
      this.#resolve = resolve
    })
    if (this.#problem !== undefined) {
      this.#fail(this.#problem, true)
      return verdict
    }
    this.#startedAt = performance.now()
    this.#tell('started')
    // The observer may have closed the worker.
    if (this.#isDecided) return verdict
    const outcome = { status: undefined, threw: false, delivery: undefined }
    const { signal } = this.#controller
    const context: TaskContext = { id: this.id, name, attempt: this.#number, signal, outcome }
    const { input } = this.#envelope
    const run = async (): Promise<unknown> => {
      return task.run(task.parse(input === undefined ? undefined : JSON.parse(input)), context)
    }
    this.#attempt.run(
      () => callInTask(this.#worker, run, []),
      name,
      task.timeoutMs ?? this.#worker.settings.timeoutMs,
      (result) => this.#succeed(result),
      (error) => this.#fail(error, isLast(this.#retry, this.#number, error)),
    )
    return verdict
  }

  /** Gives it up: the engine is to run it again. */
  abandon(reason: string): void {
    if (!this.#isDecided) {
      this.#decide('abandoned', {}, 0, () => {})
      // Told at once, as the drain that does it is about to end.
      this.#end('abandoned', { reason })
    }
    this.#attempt.stop(new DOMException(reason, 'AbortError'))
  }

  #succeed(result: unknown): void {
    let text: string | undefined
    let problem: QueueError | undefined
    try {
      text = encode(result, this.#worker.limits.payloadBytes)
    } catch (error) {
      problem = new QueueError(
        `Task '${this.name}' succeeded, but its result is not kept: ${problemOf(error).sentence}`,
      )
    }
    this.#decide('succeeded', { result: text }, 0, () => {
      this.#end('succeeded')
      if (problem) this.#report(problem)
    })
  }

  #fail(error: unknown, isOver: boolean): void {
    const output = { error: errorOf(error) }
    if (!isOver && this.#retry) {
      const { delayStepMs } = this.#worker.limits
      const delayMs = Math.ceil(backoffMs(this.#retry, this.#number) / delayStepMs) * delayStepMs
      this.#decide('retry', output, delayMs, () => this.#tell('retrying', { error }))
      return
    }
    this.#decide('failed', output, 0, () => {
      this.#end('failed', { error })
      this.#report(error)
    })
  }

  /** What follows from the decision is told when the engine knows it. */
  #decide(type: Verdict['type'], output: Output, delayMs: number, known: () => void): void {
    this.#isDecided = true
    const settled = (failure?: unknown): void => {
      if (!this.#worker.leave(this)) return
      if (failure === undefined) known()
      // It will be run again, which is what an abandoned one is.
      else if (type !== 'abandoned')
        this.#end('abandoned', { reason: `${this.#worker.name} did not hear how it ended` })
    }
    this.#resolve?.({ type, output: JSON.stringify(output), delayMs, settled })
  }

  #end(type: TaskEnd, detail?: Partial<TaskEvent>): void {
    this.#worker.count(type, this)
    this.#tell(type, detail)
  }

  #report(error: unknown): void {
    const { id, name } = this
    guarded('onError failed', () => this.#worker.settings.onError(error, { id, name, attempt: this.#number }))
  }

  #tell(type: TaskEvent['type'], detail?: Partial<TaskEvent>): void {
    const { observer } = this.#worker.settings
    if (!observer) return
    const { id, name } = this
    const { trace } = this.#envelope
    const startedAt = type === 'started' ? undefined : this.#startedAt
    guarded('observer failed', () =>
      observer({
        type,
        task: { id, name },
        at: Date.now(),
        attempt: this.#number,
        ...(startedAt !== undefined && { durationMs: performance.now() - startedAt }),
        queue: this.#worker.name,
        ...(trace && { trace }),
        ...detail,
      }),
    )
  }
}
