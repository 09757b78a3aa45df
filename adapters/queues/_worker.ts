/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Runs the tasks that an engine gives to this process.
 *
 * @module
 */
import { Attempt } from '../../src/attempt.ts'
import type { DrainOptions, DrainReport } from '../../src/create-background-tasks.ts'
import type { Task, TaskContext } from '../../src/define-task.ts'
import { Drains } from '../../src/drain.ts'
import { guarded, QueueError } from '../../src/errors.ts'
import { callInTask, isInTaskOf } from '../../src/in-task.ts'
import type { TaskEnd, TaskEvent, TraceContext } from '../../src/observer.ts'
import { type OnError, printFailure } from '../../src/options.ts'
import type { QueueWorker, WorkOptions } from '../../src/queue.ts'
import { backoffMs, isLast, type RetryPolicy, retryRule } from '../../src/retry.ts'
import { checked, milliseconds, type Rules } from '../../src/rules.ts'
import { isFunction } from '../../src/values.ts'
import { within } from './_deadline.ts'
import type { Consumer, TakenJob, Verdict } from './_engine.ts'
import { type Envelope, encode, errorOf, type JsonIssue, type Output, openEnvelope } from './_json.ts'

type Settings = Pick<WorkOptions, 'observer' | 'timeoutMs'> & {
  readonly concurrency: number
  readonly onError: OnError
  readonly retry: RetryPolicy | undefined
}

const rules: Rules = {
  concurrency: [1, 'a positive integer', (value) => Number.isInteger(value) && value > 0],
  observer: [undefined, 'a function', isFunction],
  onError: [printFailure, 'a function', isFunction],
  retry: retryRule,
  timeoutMs: milliseconds(undefined, 1),
}

/** @throws {TypeError} an option is not what it must be */
export function workSettings(options: WorkOptions | undefined): Settings {
  return checked<Settings>(rules, options ?? {}, 'work')
}

/** How often a task is started beyond its attempts, because the worker that ran it died. */
export const MAX_DEATHS = 3

/** What of its queue a worker has to know. */
export interface WorkerHost {
  readonly name: string
  readonly limits: { readonly payloadBytes: number; readonly delayStepMs: number }
  readonly timeoutMs: number
}

/** A job between its start and the engine's word that it knows how that ended. */
interface Running {
  readonly id: string
  readonly name: string
  readonly abandon: () => void
}

export class Worker implements QueueWorker {
  readonly settings: Settings
  readonly #host: WorkerHost
  readonly #running: Set<Running> = new Set()
  readonly #drains = new Drains()
  readonly #consumers: Consumer[] = []
  #isClosing = false

  constructor(host: WorkerHost, settings: Settings) {
    this.#host = host
    this.settings = settings
  }

  /** Takes over what gives it jobs. */
  add(consumer: Consumer): void {
    this.#consumers.push(consumer)
  }

  async close(options: DrainOptions = {}): Promise<DrainReport> {
    if (isInTaskOf(this)) throw new Error('Cannot close a worker inside one of its tasks as it would wait for itself')
    this.#isClosing = true
    const stopped = Promise.allSettled(this.#consumers.map(async (consumer) => consumer.stop()))
    const report = await this.#drains.drain(
      options,
      () => this.#running.size === 0,
      () => {
        for (const running of [...this.#running]) running.abandon()
      },
    )
    // The engine is to know what became of them, if it is there at all.
    const released = this.#drains.drain(
      {},
      () => this.#running.size === 0,
      () => {},
    )
    const closed = Promise.all([stopped, released]).then(() =>
      Promise.allSettled(this.#consumers.map((consumer) => consumer.close())),
    )
    await within(this.#host.timeoutMs, closed).catch(() => {})
    return report
  }

  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.close(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Runs a job of a task, and says what the engine has to do with it. Never rejects. */
  async perform(task: Task, taken: TakenJob): Promise<Verdict> {
    const { name } = task
    const { attempt: number } = taken
    if (this.#isClosing) return { type: 'abandoned', output: '{}', delayMs: 0, settled: () => {} }
    let envelope: Envelope = { v: 1 }
    let problem: unknown
    try {
      envelope = openEnvelope(taken.text)
    } catch (error) {
      problem = error
    }
    const { id = taken.id, trace } = envelope
    const retry = task.retry ?? this.settings.retry
    const attempts = retry?.attempts ?? 1
    const startedAt = performance.now()
    const tell = (type: TaskEvent['type'], detail?: Partial<TaskEvent>): void => {
      const durationMs = type === 'started' ? undefined : { durationMs: performance.now() - startedAt }
      this.#tell({ type, task: { id, name }, at: Date.now(), attempt: number, ...durationMs, ...detail }, trace)
    }
    const controller = new AbortController()
    const attempt = new Attempt(controller)
    return new Promise((resolve) => {
      const running: Running = { id, name, abandon: () => abandon('the worker reached its deadline') }
      this.#running.add(running)
      let isDecided = false
      const decide = (type: Verdict['type'], output: Output, delayMs: number, after: () => void): void => {
        if (isDecided) return
        isDecided = true
        const settled = (failure?: unknown): void => {
          if (!this.#running.delete(running)) return
          if (failure === undefined) after()
          // It will be run again, which is what an abandoned one is.
          else
            this.#end('abandoned', running, () =>
              tell('abandoned', { reason: `${this.#host.name} did not hear how it ended` }),
            )
          if (this.#running.size === 0) this.#drains.wake()
        }
        resolve({ type, output: JSON.stringify(output), delayMs, settled })
      }
      const abandon = (reason: string): void => {
        // Counted at once: the drain that does it is about to end.
        if (!isDecided) this.#end('abandoned', running, () => tell('abandoned', { reason }))
        decide('abandoned', {}, 0, () => {})
        attempt.stop(new DOMException(reason, 'AbortError'))
      }
      const fail = (error: unknown, isOver = isLast(retry, number, error)): void => {
        const output = { error: errorOf(error) }
        if (isOver || !retry) {
          decide('failed', output, 0, () =>
            this.#end('failed', running, () => {
              tell('failed', { error })
              this.#report(error, id, name, number)
            }),
          )
          return
        }
        const { delayStepMs } = this.#host.limits
        const delayMs = Math.ceil(backoffMs(retry, number) / delayStepMs) * delayStepMs
        decide('retry', output, delayMs, () => tell('retrying', { error }))
      }
      const succeed = (result: unknown): void => {
        const kept = this.#kept(result, name)
        decide('succeeded', { result: kept.text }, 0, () =>
          this.#end('succeeded', running, () => {
            tell('succeeded')
            if (kept.problem) this.#report(kept.problem, id, name, number)
          }),
        )
      }
      if (problem !== undefined) return fail(problem, true)
      if (number > attempts + MAX_DEATHS) {
        return fail(
          new QueueError(`Task '${name}' was started ${number - 1} times without an end: its workers died`),
          true,
        )
      }
      tell('started')
      const outcome = { status: undefined, threw: false, delivery: undefined }
      const context: TaskContext = { id, name, attempt: number, signal: controller.signal, outcome }
      const run = async (): Promise<unknown> => {
        const input: unknown = envelope.input === undefined ? undefined : JSON.parse(envelope.input)
        return task.run(task.parse(input), context)
      }
      attempt.run(() => callInTask(this, run, []), name, task.timeoutMs ?? this.settings.timeoutMs, succeed, fail)
    })
  }

  /** The text of a result, or why there is none. */
  #kept(result: unknown, name: string): { readonly text?: string | undefined; readonly problem?: Error } {
    const refuse = (why: string): { problem: Error } => ({
      problem: new QueueError(`Task '${name}' succeeded, but its result is not kept, as ${why}`),
    })
    try {
      const text = encode(result)
      const { payloadBytes } = this.#host.limits
      if (text && new TextEncoder().encode(text).length > payloadBytes)
        return refuse(`it is larger than ${payloadBytes} bytes`)
      return { text }
    } catch (error) {
      const { message, path } = error as JsonIssue
      return refuse(`${message}${path?.length > 0 ? ` (${path.join('.')})` : ''}`)
    }
  }

  #end(type: TaskEnd, running: Running, tell: () => void): void {
    this.#drains.count(type, running)
    tell()
  }

  #report(error: unknown, id: string, name: string, attempt: number): void {
    guarded('onError failed', () => this.settings.onError(error, { id, name, attempt }))
  }

  #tell(event: TaskEvent, trace: TraceContext | undefined): void {
    const { observer } = this.settings
    if (observer)
      guarded('observer failed', () => observer({ ...event, queue: this.#host.name, ...(trace && { trace }) }))
  }
}
