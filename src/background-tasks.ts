/**
 * The list of one request.
 *
 * @module
 */
import { type Adapter, afterMacrotask, type Call, type Delivery, type Outcome } from './adapter.ts'
import type { Ending, OpenOptions, Scope } from './create-background-tasks.ts'
import { print, TooManyTasksError } from './errors.ts'
import type { TaskInfo } from './observer.ts'
import { judge } from './options.ts'
import { Run } from './run-list.ts'
import { Entry } from './run-task.ts'
import { isPromise, isResponse, show } from './values.ts'

/** A task that has not started. */
export interface PendingTask extends TaskInfo {
  /** What the function will be called with. */
  readonly args: readonly unknown[]
}

/** Ends the handler's part of a list; kept off the class, which is what users see. */
export let settle: (tasks: BackgroundTasks, response: unknown, ending: Ending | undefined) => unknown
/** Tells a list that a run of it is over. */
export let leave: (tasks: BackgroundTasks, run: Run) => void
/** Whether a list has nothing more to do, so that the same Request may have a new one. */
export let isOver: (tasks: BackgroundTasks) => boolean

/** The tasks of one request: functions that run, in order of adding, once the response has left. */
export class BackgroundTasks {
  readonly #scope: Scope
  readonly #opened: OpenOptions
  #madeCall: Call | undefined
  #foundAdapter: Adapter | undefined
  #run: Run | undefined
  /** Set when the handler has returned or thrown. */
  #outcome: Outcome | undefined
  #verdict: boolean | undefined
  #awaitingStart = false

  /** Made by `withBackgroundTasks` and its kin, one for each request. */
  constructor(scope: Scope, opened: OpenOptions) {
    this.#scope = scope
    this.#opened = opened
  }

  /** How many tasks were added and have not ended. */
  get size(): number {
    return this.#run?.size ?? 0
  }

  /** The tasks that have not started, in order. A copy: changing it changes nothing. */
  get pending(): readonly PendingTask[] {
    const entries = this.#run?.entries('pending') ?? []
    return entries.map(({ id, name, args = [] }) => ({ id, name, args: [...args] }))
  }

  /**
   * Adds a function to run after the response has left. It is called with `args` and nothing else, in the async context
   * of this call; what it returns is awaited, then dropped; what it throws goes to `onError`.
   *
   * @param fn any callable, sync or async
   * @param args what to call it with, held by reference
   * @throws {TypeError} `fn` is not a function
   * @throws {TooManyTasksError} `maxPending` is reached
   */
  add<A extends unknown[]>(fn: (...args: A) => unknown, ...args: NoInfer<A>): void {
    if (typeof fn !== 'function') {
      const hint = isPromise(fn) ? ': pass the function and its arguments, not the promise' : ''
      throw new TypeError(`Cannot add the task as it must be a function: current value is ${show(fn)}${hint}`)
    }
    const entry = new Entry(fn as (...args: unknown[]) => unknown, args)
    const { maxPending } = this.#scope.options
    if (this.#scope.unsettled >= maxPending) {
      throw new TooManyTasksError(
        `Cannot add the task '${entry.name}' as ${maxPending} tasks are unsettled (maxPending): answer 503`,
      )
    }
    const run = this.#run ?? this.#begin()
    run.push(entry)
  }

  /** Discards what has not started. Each task is reported as `discarded`. */
  clear(): void {
    this.#run?.discard('cleared')
  }

  /** What the adapter is asked with; its `tasks` makes it too dear for a request without tasks. */
  get #call(): Call {
    const { request, platform = [] } = this.#opened
    return (this.#madeCall ??= { request, platform, tasks: this, start: this.#scope.options.start })
  }

  get #adapter(): Adapter {
    return (this.#foundAdapter ??= this.#scope.options.adapter ?? this.#scope.detect(this.#call))
  }

  /** A fresh run: at the first `add`, and at the first after the list became empty. */
  #begin(): Run {
    const run = new Run(this.#scope, this)
    this.#adapter.keepAlive?.(run.work(), this.#call)
    this.#run = run
    this.#scope.enter(run)
    if (this.#outcome && !this.#awaitingStart) this.#awaitStart(undefined)
    return run
  }

  #settle(response: unknown, ending: Ending | undefined): unknown {
    if (this.#outcome) return response
    const status = ending?.status ?? (isResponse(response) ? response.status : undefined)
    const threw = ending !== undefined && 'error' in ending
    this.#outcome = { status, threw, error: ending?.error, delivery: undefined }
    const { runOn, start } = this.#scope.options
    if (typeof runOn === 'string') this.#decide()
    // Without a task there is nothing to wait for, unless a body's producer may still add one.
    return this.#run || (start === 'body' && this.#verdict) ? this.#awaitStart(response) : response
  }

  /** Whether the tasks may run; if not, they are discarded. */
  #decide(): void {
    const outcome = this.#outcome as Outcome
    this.#verdict ??= judge(this.#scope.options.runOn, outcome)
    if (!this.#verdict) this.#run?.discard(outcome.threw ? 'the handler threw' : 'runOn said no')
  }

  /** Asks the adapter to say when the response has left. Gives what the handler's caller has to get. */
  #awaitStart(response: unknown): unknown {
    let started = false
    const start = (delivery: Delivery): void => {
      if (!started) this.#start(delivery)
      started = true
    }
    this.#awaitingStart = true
    try {
      const answer = this.#adapter.afterResponse(start, this.#call, isResponse(response) ? response : undefined)
      if (!isPromise(answer)) return answer ?? response
      return answer.then(
        (later) => later ?? response,
        (error) => this.#startAnyway(start, error, response),
      )
    } catch (error) {
      return this.#startAnyway(start, error, response)
    }
  }

  #startAnyway(start: (delivery: Delivery) => void, error: unknown, response: unknown): unknown {
    print(`adapter '${this.#adapter.name}' failed`, error)
    afterMacrotask(start, 'returned')
    return response
  }

  #start(delivery: Delivery): void {
    this.#awaitingStart = false
    const outcome = this.#outcome as { delivery: Delivery | undefined }
    outcome.delivery ??= delivery
    this.#decide()
    this.#run?.open(outcome.delivery)
  }

  static {
    settle = (tasks, response, ending) => tasks.#settle(response, ending)
    leave = (tasks, run) => {
      if (tasks.#run === run) tasks.#run = undefined
    }
    isOver = (tasks) => tasks.#outcome !== undefined && tasks.#run === undefined && !tasks.#awaitingStart
  }
}
