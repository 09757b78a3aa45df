/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The list of one request.
 *
 * @module
 */
import { type Adapter, afterMacrotask, type Call, type Delivery, type Outcome } from './adapter.ts'
import type { Ending, Scope } from './create-background-tasks.ts'
import { guarded, print, show, TooManyTasksError } from './errors.ts'
import type { TaskInfo } from './observer.ts'
import { Run } from './run-list.ts'
import { Entry } from './run-task.ts'

/** A task that has not started. */
export interface PendingTask extends TaskInfo {
  /** What the function will be called with. */
  readonly args: readonly unknown[]
}

/** Ends the handler's part of a list: the framework side of it, kept off the class that users see. */
export let settle: (
  tasks: BackgroundTasks,
  response: unknown,
  ending: Ending | undefined,
) => unknown
/** Whether a list has nothing more to do, so that the same Request may have a new one. */
export let isOver: (tasks: BackgroundTasks) => boolean

/** The tasks of one request: functions that run, in order of adding, once the response has left. */
export class BackgroundTasks {
  readonly #scope: Scope
  readonly #request: Request | undefined
  readonly #platform: unknown[]
  #adapter: Adapter | undefined
  #run: Run | undefined
  /** Set when the handler has returned or thrown. */
  #outcome: Outcome | undefined
  #verdict: boolean | undefined
  #awaitingStart = false

  /** Made by `withBackgroundTasks` and its kin, one for each request. */
  constructor(scope: Scope, request: Request | undefined, platform: unknown[]) {
    this.#scope = scope
    this.#request = request
    this.#platform = platform
  }

  /** How many tasks were added and have not ended. */
  get size(): number {
    return this.#run?.size ?? 0
  }

  /** The tasks that have not started, in order. A copy: changing it changes nothing. */
  get pending(): readonly PendingTask[] {
    return this.#run ? Array.from(this.#run.entries('pending'), ({ id, name, args }) => ({ id, name, args: [...(args ?? [])] })) : []
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
      const hint = typeof (fn as PromiseLike<unknown> | null)?.then === 'function' ? '. It runs already: pass the function and its arguments, not the promise it returns' : ''
      throw new TypeError(`Cannot add the task as it must be a function: current value is ${show(fn)}${hint}`)
    }
    const { maxPending } = this.#scope.options
    if (this.#scope.unsettled >= maxPending) {
      throw new TooManyTasksError(`Cannot add the task '${fn.name || 'anonymous'}' as ${maxPending} are unsettled already (maxPending): answer 503 and let the client try later`)
    }
    const run = this.#run ?? this.#begin()
    this.#scope.unsettled++
    run.push(new Entry(fn as (...args: unknown[]) => unknown, args))
  }

  /** Discards what has not started. Each task is reported as `discarded`. */
  clear(): void {
    this.#run?.end('pending', 'discarded', 'cleared')
  }

  #call(): Call {
    return { request: this.#request, platform: this.#platform, tasks: this, start: this.#scope.options.start }
  }

  /** A fresh run: at the first `add`, and at the first after the list became empty. */
  #begin(): Run {
    const call = this.#call()
    this.#adapter ??= this.#scope.adapterOf(call)
    let release: (() => void) | undefined
    const run = new Run(this.#scope, () => {
      if (this.#run === run) this.#run = undefined
      this.#scope.runs.delete(run)
      // One turn later, so that whoever awaited the last task may still add another.
      if (release) afterMacrotask(release)
    })
    if (this.#adapter.keepAlive) {
      const work = new Promise<void>((resolve) => {
        release = resolve
      })
      this.#adapter.keepAlive(work, call)
    }
    this.#run = run
    this.#scope.runs.add(run)
    if (this.#outcome && !this.#awaitingStart) this.#awaitStart(undefined)
    return run
  }

  #settle(response: unknown, ending: Ending | undefined): unknown {
    if (this.#outcome) return response
    const { runOn, start } = this.#scope.options
    const status = ending?.status ?? (isResponse(response) ? response.status : undefined)
    this.#outcome = { status, threw: ending !== undefined && 'error' in ending, error: ending?.error }
    if (typeof runOn === 'string') this.#verdict = allows(runOn, this.#outcome)
    if (this.#verdict === false) this.#discard()
    // Without a task there is nothing to wait for, unless a body's producer may still add one.
    return this.#run || (start === 'body' && this.#verdict !== false) ? this.#awaitStart(response) : response
  }

  /** Asks the adapter to say when the response has left. Gives what the handler's caller has to get. */
  #awaitStart(response: unknown): unknown {
    const call = this.#call()
    this.#adapter ??= this.#scope.adapterOf(call)
    this.#awaitingStart = true
    let started = false
    const start = (delivery: Delivery): void => {
      if (started) return
      started = true
      this.#awaitingStart = false
      this.#start(delivery)
    }
    const failed = (error: unknown): unknown => {
      print(`adapter '${this.#adapter?.name}' failed`, error)
      afterMacrotask(() => start('returned'))
      return response
    }
    try {
      const given = this.#adapter.afterResponse(start, call, isResponse(response) ? response : undefined)
      return isPromise(given) ? given.then((later) => later ?? response, failed) : (given ?? response)
    } catch (error) {
      return failed(error)
    }
  }

  #start(delivery: Delivery): void {
    const outcome = (this.#outcome = { delivery, ...(this.#outcome as Outcome) })
    const { runOn } = this.#scope.options
    if (!this.#run) return
    if (this.#verdict === undefined) {
      this.#verdict = false
      guarded("runOn failed, the tasks are discarded", () => {
        this.#verdict = typeof runOn === 'function' ? Boolean(runOn(outcome)) : allows(runOn, outcome)
      })
    }
    this.#run.delivery = outcome.delivery
    if (this.#verdict) this.#run.open()
    else this.#discard()
  }

  #discard(): void {
    this.#run?.end('pending', 'discarded', this.#outcome?.threw ? 'the handler threw' : 'runOn said no')
  }

  static {
    settle = (tasks, response, ending) => tasks.#settle(response, ending)
    isOver = (tasks) => tasks.#outcome !== undefined && tasks.#run === undefined && !tasks.#awaitingStart
  }
}

function allows(runOn: 'response' | 'success' | 'always', { threw, status }: Outcome): boolean {
  return runOn === 'always' || (!threw && (runOn === 'response' || status === undefined || status < 400))
}

// By its shape: a Response may come from another realm, or be a server's own light-weight class.
function isResponse(value: unknown): value is Response {
  return typeof value === 'object' && value !== null && 'headers' in value && typeof (value as Response).status === 'number'
}

export function isPromise<T>(value: T | PromiseLike<T>): value is Promise<T> & PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === 'function'
}
