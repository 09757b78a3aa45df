/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Runs the tasks that an engine gives to this process.
 *
 * @module
 */
import type { DrainOptions, DrainReport } from '../../src/create-background-tasks.ts'
import type { Task } from '../../src/define-task.ts'
import { Drains } from '../../src/drain.ts'
import { isInTaskOf } from '../../src/in-task.ts'
import type { TaskEnd, TaskInfo } from '../../src/observer.ts'
import { type OnError, printFailure } from '../../src/options.ts'
import type { QueueLimits, QueueWorker, WorkOptions } from '../../src/queue.ts'
import { type RetryPolicy, retryRule } from '../../src/retry.ts'
import { checked, milliseconds, type Rules } from '../../src/rules.ts'
import { isFunction } from '../../src/values.ts'
import { within } from './_deadline.ts'
import type { Consumer, TakenJob, Verdict } from './_engine.ts'
import { JobRun } from './_job-run.ts'

export type WorkSettings = Pick<WorkOptions, 'observer' | 'timeoutMs'> & {
  readonly concurrency: number
  readonly onError: OnError
  readonly retry: RetryPolicy | undefined
}

export const workRules: Rules = {
  concurrency: [1, 'a positive integer', (value) => Number.isInteger(value) && value > 0],
  observer: [undefined, 'a function', isFunction],
  onError: [printFailure, 'a function', isFunction],
  retry: retryRule,
  timeoutMs: milliseconds(undefined, 1),
}

/** @throws {TypeError} an option is not what it must be */
export function workSettings(options: WorkOptions | undefined): WorkSettings {
  return checked<WorkSettings>(workRules, options ?? {}, 'work')
}

/** What of its queue a worker has to know. */
export interface WorkerHost {
  readonly name: string
  readonly limits: Pick<QueueLimits, 'payloadBytes' | 'delayStepMs' | 'maxDelayMs'>
  readonly timeoutMs: number
  /** Told when it is closed. */
  forget?(worker: Worker): void
}

export class Worker implements QueueWorker {
  readonly name: string
  readonly limits: WorkerHost['limits']
  readonly settings: WorkSettings
  readonly #host: WorkerHost
  readonly #running: Set<JobRun> = new Set()
  readonly #drains = new Drains()
  readonly #consumers: Consumer[] = []
  /** Settles when the consumer that is about to start has done so, or failed. */
  #starting: Promise<void> = Promise.resolve()
  #isClosing = false
  /** Nothing is started any more. */
  #isOver = false
  /** Its consumers give nothing any more, or only what is too late. */
  #hasStopped = false
  #stopped: Promise<void> | undefined
  #closed: Promise<unknown> | undefined

  constructor(host: WorkerHost, settings: WorkSettings) {
    this.name = host.name
    this.limits = host.limits
    this.settings = settings
    this.#host = host
  }

  /** Takes over what will give it jobs. */
  add(starting: Promise<Consumer>): Promise<void> {
    const added = starting.then(async (consumer) => {
      this.#consumers.push(consumer)
      // It was closed meanwhile.
      if (this.#isClosing) await consumer.stop()
    })
    this.#starting = added.catch(() => {})
    return added
  }

  /** Runs a job of a task, and says what the engine has to do with it. Never rejects. */
  async perform(task: Task, taken: TakenJob): Promise<Verdict> {
    const run = new JobRun(this, task, taken)
    this.#running.add(run)
    // What an engine had taken before it heard of the closing is run as well, as it may count that as a start.
    return this.#isOver ? run.giveBack() : run.start()
  }

  /** Counts the end of a run. */
  count(type: TaskEnd, run: TaskInfo): void {
    this.#drains.count(type, run)
  }

  /** Forgets a run, whether or not the engine has heard how it ended. False where that was done before. */
  leave(run: JobRun): boolean {
    if (!this.#running.delete(run)) return false
    if (this.#running.size === 0) this.#drains.wake()
    return true
  }

  async close(options: DrainOptions = {}): Promise<DrainReport> {
    this.checkCaller()
    this.#isClosing = true
    // Whoever does not wait wants nothing to be started either.
    if (options.timeoutMs === 0) this.#isOver = true
    const isIdle = (): boolean => this.#hasStopped && this.#running.size === 0
    this.#stopped ??= this.#stop()
    const report = await this.#drains.drain(options, isIdle, () => {
      this.#isOver = true
      for (const run of this.#running) run.abandon('the worker reached its deadline')
    })
    // The engine is to know what became of them, if it is there at all.
    const patience = new AbortController()
    const released = this.#drains.drain({ signal: patience.signal }, isIdle, () => {
      for (const run of this.#running) run.giveUp()
    })
    this.#closed ??= Promise.all([this.#stopped, this.#starting, released]).then(() =>
      Promise.allSettled(this.#consumers.map(async (consumer) => consumer.close())),
    )
    await within(this.#host.timeoutMs, this.#closed).catch(() => {})
    patience.abort()
    this.#host.forget?.(this)
    return sumOf(report, await released)
  }

  /** Resolves when all has come that its consumers had taken, as far as the engine answers in time. */
  async #stop(): Promise<void> {
    const stopping = this.#consumers.map(async (consumer) => consumer.stop())
    await within(this.#host.timeoutMs, Promise.allSettled([...stopping, this.#starting])).catch(() => {})
    this.#isOver = true
    this.#hasStopped = true
    this.#drains.wake()
  }

  /** @throws {Error} it would wait for itself */
  checkCaller(): void {
    if (isInTaskOf(this)) throw new Error('Cannot close a worker inside one of its tasks as it would wait for itself')
  }

  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.close(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function sumOf(one: DrainReport, other: DrainReport): DrainReport {
  return {
    succeeded: one.succeeded + other.succeeded,
    failed: one.failed + other.failed,
    discarded: one.discarded + other.discarded,
    abandoned: [...one.abandoned, ...other.abandoned],
  }
}
