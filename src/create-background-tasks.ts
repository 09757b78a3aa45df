/**
 * What every entry point is made of: opens a list for a request, settles it, drains.
 *
 * @module
 */
import type { Adapter, Call, OpenedCall, UnopenedCall } from './adapter.ts'
import { BackgroundTasks, isOver, settle } from './background-tasks.ts'
import { Drains } from './drain.ts'
import { TooManyTasksError } from './errors.ts'
import { isInTaskOf } from './in-task.ts'
import type { TaskEnd, TaskInfo } from './observer.ts'
import { type BackgroundTasksOptions, type Settings, settingsOf } from './options.ts'
import type { Run } from './run-list.ts'

/** How long a drain waits. */
export interface DrainOptions {
  /**
   * How long to wait, in milliseconds, 0 or more; past 2^31-1 (24.8 days) that. At the deadline what is unsettled is
   * reported as `abandoned`.
   *
   * @default Infinity
   */
  timeoutMs?: number | undefined
  /** Ends the wait as the deadline does. */
  signal?: AbortSignal | undefined
}

/** What ended while a drain ran. */
export interface DrainReport {
  succeeded: number
  failed: number
  discarded: number
  /** What the deadline cut off. */
  abandoned: TaskInfo[]
}

/** What can be waited for at shutdown. */
export interface Drainable {
  /**
   * Waits until no task is unsettled, those added by tasks included. Afterwards new tasks are welcome.
   *
   * @returns what ended meanwhile
   * @throws {TypeError} an option is not what it must be
   * @throws {Error} called from inside one of its own tasks, where it would wait for itself (once it has awaited, told on
   * Node 24 and newer, Deno and Bun, of an `async` function)
   */
  drain(options?: DrainOptions): Promise<DrainReport>
}

/** What one call of a handler is opened with. */
export interface OpenOptions<P extends unknown[] = any[]> {
  request?: Request | undefined
  /** What the host passed after the request. */
  platform?: P | undefined
}

/** How a handler ended, where its response does not say it. */
export interface Ending {
  /** Present when the handler threw: what it threw. */
  readonly error?: unknown
  /** The status, where there is no Response object. */
  readonly status?: number | undefined
}

/** The list of one call, and how its handler's end is told. */
export interface OpenList {
  readonly tasks: BackgroundTasks
  /**
   * Tells that the handler has ended. Never throws; where tasks go to a queue it gives a promise, which rejects with a
   * `QueueError` when the queue did not take them.
   *
   * @param response what the handler returned; undefined when it threw and nobody made a response of that
   * @param ending `{ error }` when it threw
   * @returns what has to be answered instead
   */
  readonly settle: <T>(response: T, ending?: Ending) => T | Promise<T>
}

/** Made by `createBackgroundTasks`, for framework authors. */
export interface BackgroundTasksScope<P extends unknown[] = any[]> extends Drainable {
  /** Opens the list of a call. A Request that has a list already gets the same one, which its first opener settles. */
  open(options?: OpenOptions<P>): OpenList
}

/**
 * Where a Request has its list, so that nested wrappers share one. No WeakMap, which costs microseconds for each request
 * under load (its table grows and is walked by every garbage collection), and no private field (50 ns): this is 5 ns.
 */
const LIST = Symbol('background tasks')
type Listed = Request & { [LIST]?: BackgroundTasks }

/** What all lists of one wrapper share. */
export class Scope implements BackgroundTasksScope {
  readonly options: Settings
  readonly detect: (call: Call) => Adapter
  /**
   * The runs that are not over come first, `#entered` of them. No Set, whose outgrown tables keep all later runs alive until a full garbage
   * collection; and never shortened, as an array that is pushed and popped is allocated anew all the time.
   */
  readonly #runs: (Run | undefined)[] = []
  #entered = 0
  /** Whether a retry comes without its delay, as in a test. */
  impatient = false
  /** Tasks added and not ended, over all runs. */
  unsettled = 0
  readonly #drains = new Drains()

  constructor(options: BackgroundTasksOptions | undefined, detect: (call: Call) => Adapter) {
    this.options = settingsOf(options)
    this.detect = detect
  }

  open({ request, platform = [] }: OpenOptions = {}): OpenList {
    const call = this.opened({ request, platform, start: this.options.start, tasks: undefined })
    return { tasks: call.tasks, settle: (response, ending) => settle(call, response, ending) as typeof response }
  }

  /** Gives a call its list: the one that its Request has already, or a new one, which the call is then to settle. */
  opened(call: UnopenedCall): OpenedCall {
    const request = call.request as Listed | undefined
    const outer = request?.[LIST]
    call.tasks = outer && !isOver(outer) ? outer : new BackgroundTasks(this, call as OpenedCall)
    try {
      if (request) request[LIST] = call.tasks
    } catch {
      // Frozen: a nested wrapper has a list of its own then.
    }
    return call as OpenedCall
  }

  /** Refuses a task where too many wait already. */
  admit(task: TaskInfo): void {
    if (this.unsettled < this.options.maxPending) return
    const problem = `${this.options.maxPending} tasks are unsettled (maxPending): answer 503`
    throw new TooManyTasksError(`Cannot add the task '${task.name}' as ${problem}`)
  }

  enter(run: Run): void {
    run.index = this.#entered
    this.#runs[this.#entered++] = run
  }

  leave(run: Run): void {
    const last = this.#runs[--this.#entered] as Run
    this.#runs[this.#entered] = undefined
    if (last !== run) this.#runs[(last.index = run.index)] = last
    if (this.#entered === 0) this.#drains.wake()
  }

  /** Counts the end of a task. */
  count(end: TaskEnd | 'queued', task: TaskInfo): void {
    this.unsettled--
    this.#drains.count(end, task)
  }

  async drain(options: DrainOptions = {}): Promise<DrainReport> {
    if (isInTaskOf(this)) throw new Error('Cannot drain inside a task as it would wait for itself')
    // Runs and not tasks, as one may have resources to dispose of.
    const isIdle = (): boolean => this.#entered === 0
    return this.#drains.drain(options, isIdle, () => {
      for (const run of this.#runs.slice(0, this.#entered)) run?.abandon('drain reached its deadline')
    })
  }
}
