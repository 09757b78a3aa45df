/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What becomes of a tick.
 *
 * @module
 */
import { type Adapter, afterMacrotask } from '../../src/adapter.ts'
import type { BackgroundTasks } from '../../src/background-tasks.ts'
import { type Drainable, type DrainOptions, type DrainReport, Scope } from '../../src/create-background-tasks.ts'
import { guarded } from '../../src/errors.ts'
import { type Observer, report, type TaskEvent } from '../../src/observer.ts'
import type { OnError } from '../../src/options.ts'
import type { TaskQueue } from '../../src/queue.ts'
import type { RetryOptions } from '../../src/retry.ts'
import { isObject, refuse } from '../../src/rules.ts'
import type { CheckedSchedule } from './_schedules.ts'

/** Options that all schedules take. */
export interface SchedulesOptions {
  /**
   * Where each tick is enqueued, with an id made of key and time: where the engine has `idempotency`, however many processes
   * tick, it is one job. A task that is `inline` runs here all the same.
   *
   * @default none: tasks run in this process
   */
  readonly queue?: TaskQueue<any> | undefined
  /** Sees every event of every task. A tick that does not run its task is `discarded`, with the reason. */
  readonly observer?: Observer | undefined
  /**
   * Called exactly once for each task that failed, and for each that could not be enqueued.
   *
   * @default one console.error line
   */
  readonly onError?: OnError | undefined
  /**
   * For tasks without a `retry` of their own that run in this process.
   *
   * @default none: one attempt
   */
  readonly retry?: RetryOptions | undefined
  /**
   * For tasks without a `timeoutMs` of their own that run in this process, in milliseconds: 1 to 2^31-1.
   *
   * @default none
   */
  readonly timeoutMs?: number | undefined
}

/** Schedules that tick until they are closed. Can be given to `gracefulShutdown`. */
export interface RunningSchedules extends Drainable, AsyncDisposable {
  /**
   * Ends the ticks at once, and waits for what runs, or is being enqueued. At the deadline it aborts the signals of that and
   * reports it as `abandoned`.
   *
   * @returns what ended meanwhile
   * @throws {TypeError} an option is not what it must be
   * @throws {Error} called from inside one of its own tasks, where it would wait for itself
   */
  close(options?: DrainOptions): Promise<DrainReport>
  /** The same, so that it is a `Drainable`. */
  drain(options?: DrainOptions): Promise<DrainReport>
}

/** Does what a tick is for. */
export interface Runner {
  /** Runs the task, or enqueues it; settles when that has ended. Never rejects. */
  run(schedule: CheckedSchedule, tick: Date): Promise<void>
  /**
   * Says that it is not run.
   *
   * @param isNews whether it is printed where there is no observer
   */
  discard(schedule: CheckedSchedule, tick: Date, reason: string, isNews?: boolean): void
  /** Whether the task of its last tick goes on in this process. */
  isRunning(schedule: CheckedSchedule): boolean
  /** What is to be given to the caller. */
  running(stop: () => void): RunningSchedules
}

/**
 * Makes what runs the ticks of schedules.
 *
 * @throws {TypeError} an option is not what it must be
 * @throws {TaskInputError} an input cannot travel to the queue
 */
export function createRunner(schedules: readonly CheckedSchedule[], options: SchedulesOptions, what: string): Runner {
  if (!isObject(options)) refuse('options', 'an object', options, what)
  const { queue, observer, onError, retry, timeoutMs } = options
  const scope = new Scope({ queue, observer, onError, retry, timeoutMs, adapter: host }, () => host)
  const lists = new Map<CheckedSchedule, BackgroundTasks>()
  const isQueued = ({ task }: CheckedSchedule): boolean => queue !== undefined && !task.inline
  for (const schedule of schedules) {
    const { task, input } = schedule
    if (isQueued(schedule)) queue?.prepare?.({ task, input, options: { id: idOf(schedule, new Date()) } })
  }
  const tell = (type: TaskEvent['type'], id: string, name: string, detail?: Partial<TaskEvent>): void => {
    guarded('observer failed', () => observer?.({ type, task: { id, name }, at: Date.now(), ...detail }))
  }
  return {
    // Not by the end of `run`, which comes a turn later: too late where the event loop was blocked.
    isRunning: (schedule) => !isQueued(schedule) && Boolean(lists.get(schedule)?.size),
    async run(schedule, tick) {
      const { task, input } = schedule
      const id = idOf(schedule, tick)
      const works: Promise<void>[] = []
      const { tasks, settle } = scope.open({ platform: [works] })
      // First: what is added later is enqueued by itself, and reports how that failed.
      settle(undefined)
      lists.set(schedule, tasks)
      try {
        tasks.add(task, input, { id })
      } catch (error) {
        tell('added', id, task.name)
        tell('failed', id, task.name, { error })
        report(scope, error, { id, name: task.name, attempt: 1 })
      }
      await Promise.all(works)
    },
    discard(schedule, tick, reason, isNews = true) {
      const { name } = schedule.task
      const id = idOf(schedule, tick)
      tell('added', id, name)
      tell('discarded', id, name, { reason })
      if (!observer && isNews) console.warn(`background-tasks: task '${name}' was discarded (id ${id}): ${reason}`)
    },
    running(stop) {
      const close = (options?: DrainOptions): Promise<DrainReport> => {
        stop()
        return scope.drain(options)
      }
      return { close, drain: close, [Symbol.asyncDispose]: async () => void (await close()) }
    },
  }
}

/** The same in all processes, so that an engine can tell that it is the same tick. */
function idOf({ key }: CheckedSchedule, tick: Date): string {
  return `${key} ${tick.toISOString()}`
}

/** There is no response: tasks start one macrotask after the tick, and whoever ticked waits for them. */
const host: Adapter = {
  name: 'schedule',
  keepAlive: (work, { platform: [works] }) => void works.push(work),
  afterResponse: (start) => afterMacrotask(start, 'returned'),
}
