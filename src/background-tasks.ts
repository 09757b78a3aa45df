/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The list of one request.
 *
 * @module
 */
import { type Adapter, askStart, type Call, type Delivery, type OpenedCall, type Outcome } from './adapter.ts'
import type { Ending, Scope } from './create-background-tasks.ts'
import type { Task } from './define-task.ts'
import { type Entry, entryOf, type PendingTask, shown, type TaskArguments } from './entry.ts'
import { entriesOf } from './entry-queue.ts'
import { handOver } from './hand-over.ts'
import { judge, outcomeOf, whyNot } from './outcome.ts'
import { checkDisposable } from './resource.ts'
import { Run } from './run-list.ts'
import { type Gate, isFunction, newGate } from './values.ts'

/** Ends the handler's part of a list, if this call opened it; kept off the class, which is what users see. */
export let settle: (call: OpenedCall, response: unknown, ending?: Ending) => unknown
/** Tells a list that a run of it is over. */
export let leave: (tasks: BackgroundTasks, run: Run) => void
/** Tells a list that its response has left, of which the first step of a run hears. */
export let begin: (tasks: BackgroundTasks, delivery: Delivery | undefined) => Outcome
/** Tells a list where there is no run. */
let hear: (tasks: BackgroundTasks) => unknown
/** Why a task must not run, once its list may start; undefined when it may. */
export let refusalOf: (entry: Entry, tasks: BackgroundTasks) => string | undefined
/** The wrapper that a list belongs to, and its run, while it has one. */
export let partsOf: (tasks: BackgroundTasks) => { readonly scope: Scope; readonly run: Run | undefined }
/** Whether a list has nothing more to do, so that the same Request may have a new one. */
export let isOver: (tasks: BackgroundTasks) => boolean

/** The tasks of one request: functions that run, in order of adding, once the response has left. */
export class BackgroundTasks {
  readonly #scope: Scope
  readonly #call: Call
  #foundAdapter: Adapter | undefined
  #run: Run | undefined
  /**
   * The handler runs; it has ended, and a queue is given its tasks; the adapter was asked to say when the response has
   * left, of which a run will hear; or, without a run, the list itself; there is nothing to wait for.
   */
  #phase: 'handling' | 'ending' | 'waiting' | 'hearing' | 'free' = 'handling'
  #outcome: Outcome | undefined
  #verdict: boolean | undefined
  /** What its tasks wait for; where a run hears, what opens it is what the adapter calls. */
  #gate: Gate<Delivery> | undefined

  /** Made by `withBackgroundTasks` and its kin, one for each request. */
  constructor(scope: Scope, call: Call) {
    this.#scope = scope
    this.#call = call
  }

  /** How many tasks were added and have not ended. */
  get size(): number {
    return this.#run?.size ?? 0
  }

  /** The tasks that have not started, in order. A copy: changing it changes nothing. */
  get pending(): readonly PendingTask[] {
    return this.#run ? entriesOf(this.#run, 'pending').map(shown) : []
  }

  /**
   * Adds a task made by `defineTask`.
   *
   * @param task the task
   * @param rest its input, and options
   * @returns the id of the task
   * @throws {TaskInputError} the schema of the task refuses the input
   * @throws {TypeError} its schema is asynchronous, or the id is not a string
   * @throws {TooManyTasksError} `maxPending` is reached
   */
  add<I>(task: Task<I>, ...rest: TaskArguments<NoInfer<I>>): string
  /**
   * Adds a function to run after the response has left. It is called with `args` and nothing else, in the async context
   * of this call; what it returns is awaited, then dropped; what it throws goes to `onError`.
   *
   * @param fn any callable, sync or async
   * @param args what to call it with, held by reference
   * @throws {TypeError} `fn` is not a function
   * @throws {TooManyTasksError} `maxPending` is reached
   */
  add<A extends unknown[]>(fn: (...args: A) => unknown, ...args: NoInfer<A>): void
  add(work: unknown, ...args: unknown[]): string | undefined {
    const entry = entryOf(work, args, this.#scope.options)
    this.#scope.admit(entry)
    // Taken first, as the task may end while an observer is told of it.
    const id = entry.policy?.task && entry.id
    this.#currentRun().push(entry)
    return id
  }

  /**
   * Keeps a resource for the tasks, and disposes of it when the last of them has ended and the response has left: the last
   * resource first, also when there was no task, or none that ran. What that throws goes to `onError`; a drain waits for it.
   *
   * @param resource a `Disposable` or `AsyncDisposable`
   * @returns the same
   * @throws {TypeError} it is neither
   */
  use<R extends Disposable | AsyncDisposable>(resource: R): R {
    checkDisposable(resource)
    return this.#currentRun().keep(resource)
  }

  /** Discards what has not started. Each task is reported as `discarded`. */
  clear(): void {
    this.#run?.discard(() => 'cleared')
  }

  get #adapter(): Adapter {
    return (this.#foundAdapter ??= this.#scope.options.adapter ?? this.#scope.detect(this.#call))
  }

  /** A fresh one at the first `add`, and at the first after the list became empty. */
  #currentRun(): Run {
    if (this.#run) return this.#run
    const run = new Run(this.#scope, this, (this.#gate ??= newGate()).promise)
    this.#adapter.keepAlive?.(run.work(), this.#call)
    this.#run = run
    this.#scope.enter(run)
    if (this.#phase === 'free') this.#awaitStart(undefined)
    return run
  }

  #settle(call: OpenedCall, response: unknown, ending: Ending | undefined): unknown {
    if (this.#call !== call || this.#phase !== 'handling') return response
    const outcome = (this.#outcome = outcomeOf(response, ending))
    // Without a task there is nothing to wait for, unless a body's producer may still add one.
    this.#phase = this.#run || this.#scope.options.start === 'body' ? 'ending' : 'free'
    if (this.#phase === 'free') return response
    // The queue comes first, as the client may rely on what it was answered.
    if (this.#scope.options.queue && this.#run) return handOver(this.#run, outcome, response, this.#end.bind(this))
    return this.#end(response, outcome)
  }

  #end(response: unknown, outcome: Outcome): unknown {
    this.#outcome = outcome
    const { runOn, start } = this.#scope.options
    if (typeof runOn === 'string') this.#verdict = judge(runOn, outcome)
    if (this.#verdict === false) this.#run?.discard(refusalOf)
    if (this.#run || (start === 'body' && this.#verdict !== false)) return this.#awaitStart(response)
    this.#phase = 'free'
    return response
  }

  /** Gives what has to be answered instead of the response. */
  #awaitStart(response: unknown): unknown {
    this.#phase = 'waiting'
    this.#gate ??= newGate()
    if (!this.#run) hear(this)
    return askStart(this.#adapter, this.#gate.open, this.#call, response)
  }

  static {
    settle = (call, response, ending) => call.tasks.#settle(call, response, ending)
    leave = (tasks, run) => {
      if (tasks.#run === run) tasks.#run = undefined
      if (tasks.#run) return
      if (tasks.#phase === 'waiting') hear(tasks)
      // It would keep all that ended before it is opened.
      tasks.#gate = undefined
    }
    hear = (tasks) => {
      tasks.#phase = 'hearing'
      tasks.#gate?.promise.then((delivery) => {
        tasks.#gate?.open(delivery)
        begin(tasks, delivery)
      })
    }
    begin = (tasks, delivery) => {
      tasks.#gate = undefined
      tasks.#phase = 'free'
      const outcome = tasks.#outcome as Outcome & { delivery?: Delivery }
      outcome.delivery ??= delivery ?? 'returned'
      return outcome
    }
    // A task's own rule is asked for that task; a function when the list has started.
    refusalOf = ({ runOn }, tasks) => {
      const outcome = tasks.#outcome as Outcome
      if (isFunction(runOn) && !outcome.delivery) return undefined
      const mayRun = runOn ? judge(runOn, outcome) : (tasks.#verdict ??= judge(tasks.#scope.options.runOn, outcome))
      return mayRun ? undefined : whyNot(outcome)
    }
    partsOf = (tasks) => ({ scope: tasks.#scope, run: tasks.#run })
    isOver = (tasks) => tasks.#phase === 'free' && !tasks.#run
  }
}
