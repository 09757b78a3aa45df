/**
 * One run of a job in a worker: from its start to the engine's word that it knows how that ended.
 *
 * @module
 */
import { Attempt } from '../../src/attempt.ts'
import type { Task, TaskContext } from '../../src/define-task.ts'
import { QueueError } from '../../src/errors.ts'
import { callInTask } from '../../src/in-task.ts'
import type { TaskInfo } from '../../src/observer.ts'
import { backoffMs, isLast, type RetryPolicy } from '../../src/retry.ts'
import type { TakenJob, Verdict } from './_engine.ts'
import { JobEvents } from './_job-events.ts'
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
  readonly #events: JobEvents
  readonly #controller = new AbortController()
  readonly #attempt = new Attempt(this.#controller)
  #resolve: ((verdict: Verdict) => void) | undefined
  #isDecided = false
  #settled: Verdict['settled'] | undefined

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
    this.#events = new JobEvents(worker, this, attempt, envelope.trace)
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
    const verdict = this.#verdict()
    if (this.#problem !== undefined) {
      this.#fail(this.#problem, true)
      return verdict
    }
    this.#events.started()
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

  /** Leaves it to another worker, without a word to observers: it was not started. */
  giveBack(): Promise<Verdict> {
    const verdict = this.#verdict()
    this.#decide('abandoned', {}, 0, () => {}, true)
    return verdict
  }

  /** Gives it up, if it still goes on: the engine is to run it again. */
  abandon(reason: string): void {
    if (this.#isDecided) return
    this.#decide('abandoned', {}, 0, () => {})
    // Told at once, as the drain that does it is about to end.
    this.#events.ended('abandoned', { reason })
    this.#attempt.stop(new DOMException(reason, 'AbortError'))
  }

  /** Waits no longer for the engine to hear how it ended. */
  giveUp(): void {
    this.#settled?.(new Error('it did not answer'))
  }

  #verdict(): Promise<Verdict> {
    return new Promise((resolve) => {
      this.#resolve = resolve
    })
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
      this.#events.ended('succeeded')
      if (problem) this.#events.report(problem)
    })
  }

  #fail(error: unknown, isOver: boolean): void {
    const output = { error: errorOf(error) }
    if (!isOver && this.#retry) {
      const { delayStepMs, maxDelayMs } = this.#worker.limits
      const delayMs = Math.ceil(backoffMs(this.#retry, this.#number) / delayStepMs) * delayStepMs
      this.#decide('retry', output, Math.min(delayMs, maxDelayMs), () => this.#events.tell('retrying', { error }))
      return
    }
    this.#decide('failed', output, 0, () => {
      this.#events.ended('failed', { error })
      this.#events.report(error)
    })
  }

  /** What follows from the decision is told when the engine knows it. */
  #decide(type: Verdict['type'], output: Output, delayMs: number, known: () => void, isUnstarted = false): void {
    this.#isDecided = true
    const settled = (failure?: unknown): void => {
      if (!this.#worker.leave(this)) return
      if (failure === undefined) known()
      // It will be run again, which is what an abandoned one is.
      else if (type !== 'abandoned')
        this.#events.ended('abandoned', { reason: `${this.#worker.name} did not hear how it ended` })
    }
    this.#settled = settled
    this.#resolve?.({ type, output: JSON.stringify(output), delayMs, isUnstarted, settled })
  }
}
