/**
 * What every entry point is made of: opens a list for a request, settles it, drains.
 *
 * @module
 */
import type { Adapter, Call } from './adapter.ts'
import { afterMacrotask } from './adapter.ts'
import { BackgroundTasks, isOver, settle } from './background-tasks.ts'
import type { TaskEnd, TaskInfo } from './observer.ts'
import { type BackgroundTasksOptions, refuse, type Settings, settingsOf } from './options.ts'
import type { Run } from './run-list.ts'

/** How long a drain waits. */
export interface DrainOptions {
  /**
   * How long to wait, in milliseconds, 0 or more. At the deadline what is unsettled is reported as `abandoned`.
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
   * @throws {Error} called from inside one of its own tasks, where it would wait for itself
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
  readonly status?: number
}

/** The list of one call, and how its handler's end is told. */
export interface OpenList {
  readonly tasks: BackgroundTasks
  /**
   * Tells that the handler has ended. Never throws.
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

interface AsyncLocalStorageLike {
  getStore(): unknown
  run<A extends unknown[], R>(store: unknown, fn: (...args: A) => R, ...args: A): R
}

const MAX_TIMEOUT_MS = 2 ** 31 - 1
const passThrough = <T>(response: T): T => response
const lists = new WeakMap<Request, BackgroundTasks>()
let currentScope: AsyncLocalStorageLike | undefined

export class Scope implements BackgroundTasksScope {
  readonly options: Settings
  readonly runs: Set<Run> = new Set()
  /** Tasks added and not ended, over all runs. */
  unsettled = 0
  readonly #detect: (call: Call) => Adapter
  readonly #reports = new Set<DrainReport>()
  readonly #idle = new Set<() => void>()

  constructor(options: BackgroundTasksOptions | undefined, detect: (call: Call) => Adapter) {
    this.options = settingsOf(options)
    this.#detect = detect
  }

  adapterOf(call: Call): Adapter {
    return this.options.adapter ?? this.#detect(call)
  }

  open({ request, platform = [] }: OpenOptions = {}): OpenList {
    const outer = request && lists.get(request)
    if (outer && !isOver(outer)) return { tasks: outer, settle: passThrough }
    const tasks = new BackgroundTasks(this, request, platform)
    if (request) lists.set(request, tasks)
    return { tasks, settle: (response, ending) => settle(tasks, response, ending) as typeof response }
  }

  /** Calls a part of a task, so that a `drain` inside it can be told from one outside. */
  inTask<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): R {
    currentScope ??= asyncLocalStorage()
    return currentScope ? currentScope.run(this, fn, ...args) : fn(...args)
  }

  /** Counts the end of a task. */
  count(end: TaskEnd, info: TaskInfo | undefined): void {
    for (const report of this.#reports) {
      if (end === 'abandoned') report.abandoned.push(info as TaskInfo)
      else report[end]++
    }
    if (--this.unsettled === 0) for (const wake of this.#idle) wake()
  }

  async drain({ timeoutMs = Infinity, signal }: DrainOptions = {}): Promise<DrainReport> {
    if (!(timeoutMs >= 0)) refuse('timeoutMs', 'a number of milliseconds, 0 or more', timeoutMs, 'drain')
    if (currentScope?.getStore() === this) {
      throw new Error('Cannot drain from inside a task of the same list, as it would wait for itself: call it outside of tasks, or do not await it there')
    }
    const report: DrainReport = { succeeded: 0, failed: 0, discarded: 0, abandoned: [] }
    this.#reports.add(report)
    let over = false
    const abandon = (): void => {
      over = true
      for (const run of [...this.runs]) run.end('unsettled', 'abandoned', 'drain reached its deadline')
    }
    const disarm = armed(timeoutMs, abandon)
    if (signal?.aborted) abandon()
    signal?.addEventListener('abort', abandon)
    // A loop, as whoever awaited the last task may add another.
    while (this.unsettled > 0 && !over) {
      await new Promise<void>((wake) => this.#idle.add(wake))
      this.#idle.clear()
      await new Promise<void>(afterMacrotask)
    }
    disarm()
    signal?.removeEventListener('abort', abandon)
    this.#reports.delete(report)
    return report
  }
}

/** A timer for any length of time: setTimeout fires at once past 2^31-1 ms. */
function armed(ms: number, fire: () => void): () => void {
  if (ms === Infinity) return () => {}
  let timer: ReturnType<typeof setTimeout>
  const arm = (left: number): void => {
    timer = setTimeout(() => (left > MAX_TIMEOUT_MS ? arm(left - MAX_TIMEOUT_MS) : fire()), Math.min(left, MAX_TIMEOUT_MS))
  }
  arm(ms)
  return () => clearTimeout(timer)
}

function asyncLocalStorage(): AsyncLocalStorageLike | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => any } }
  const hooks = process?.getBuiltinModule?.('node:async_hooks')
  return hooks && new hooks.AsyncLocalStorage()
}
