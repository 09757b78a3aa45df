/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The contract between the core and a durable engine.
 *
 * @module
 */
import type { DrainOptions, DrainReport } from './create-background-tasks.ts'
import type { Task } from './define-task.ts'
import type { Observer, TraceContext } from './observer.ts'
import type { OnError } from './options.ts'
import type { RetryOptions } from './retry.ts'

/** What an engine may be unable to do. Each name is a column of the README's table of engines. */
export type QueueFeature =
  /** The same task and id are one job while its record is kept. */
  | 'idempotency'
  /** `priority`. */
  | 'priority'
  /** `transaction`. */
  | 'transaction'
  /** `get`. */
  | 'get'
  /** `schedule` and `unschedule`. */
  | 'schedule'
  /** `work`. */
  | 'work'
  /** Several processes share the jobs. */
  | 'processes'
  /** Jobs outlive the process. */
  | 'durability'

/** The sizes and steps of an engine. */
export interface QueueLimits {
  /** How many bytes of UTF-8 a job may have, its envelope included. */
  readonly payloadBytes: number
  /** To what a delay is rounded up, in milliseconds. */
  readonly delayStepMs: number
  /** The longest delay, in milliseconds. */
  readonly maxDelayMs: number
  /** The shortest time between two ticks of a schedule, in milliseconds. */
  readonly scheduleStepMs: number
}

/** Options of one job. */
export interface EnqueueOptions<Transaction = never> {
  /**
   * Its id: any string that is not empty. A second job with the same task and id is the first one.
   *
   * @default a random UUID
   */
  readonly id?: string | undefined
  /**
   * How long it waits before it may start, in milliseconds: 0 to `limits.maxDelayMs`.
   *
   * @default 0
   */
  readonly delayMs?: number | undefined
  /**
   * What is higher starts first, of the jobs of that task that wait: an integer from -1000 to 1000.
   *
   * @default 0
   */
  readonly priority?: number | undefined
  /** Enqueues inside the caller's own transaction: the job exists if that is committed. */
  readonly transaction?: Transaction | undefined
  /** Where it was enqueued, for the observer of the worker. */
  readonly trace?: TraceContext | undefined
}

/** One job of `enqueueAll`. */
export interface QueueItem<Transaction = never> {
  readonly task: Task
  readonly input: unknown
  readonly options?: EnqueueOptions<Transaction> | undefined
}

/** What an engine knows of a job. */
export interface TaskRecord<O = unknown> {
  id: string
  /** The name of the task. */
  task: string
  /** `queued` also while it waits for its delay, or for its next attempt. */
  state: 'queued' | 'running' | 'succeeded' | 'failed'
  /** How often it was started. */
  attempts: number
  /** What `run` returned, if JSON can carry it. */
  result?: O
  /** What the last attempt failed with. */
  error?: { name: string; message: string; stack?: string }
  enqueuedAt: Date
  startedAt?: Date
  finishedAt?: Date
}

/** Options of `schedule`. */
export interface ScheduleOptions {
  /**
   * Tells several schedules of a task apart.
   *
   * @default the name of the task
   */
  readonly key?: string | undefined
  /**
   * The IANA time zone of the expression.
   *
   * @default 'UTC'
   */
  readonly timezone?: string | undefined
}

/** Options of `work`. */
export interface WorkOptions {
  /**
   * How many runs of each task go on at once in this worker.
   *
   * @default 1
   */
  readonly concurrency?: number | undefined
  /** Sees the events of the runs: `started`, `retrying`, `succeeded`, `failed`, `abandoned`. */
  readonly observer?: Observer | undefined
  /**
   * Called exactly once for each task that failed, and for a result that could not be kept.
   *
   * @default one console.error line
   */
  readonly onError?: OnError | undefined
  /**
   * For tasks without a `retry` of their own. The defaults of `withBackgroundTasks` do not travel.
   *
   * @default none: one attempt
   */
  readonly retry?: RetryOptions | undefined
  /**
   * For tasks without a `timeoutMs` of their own.
   *
   * @default none
   */
  readonly timeoutMs?: number | undefined
}

/** Runs tasks of a queue until it is closed. Can be given to `gracefulShutdown`. */
export interface QueueWorker extends AsyncDisposable {
  /**
   * Takes nothing new at once, and waits for what runs. At the deadline it aborts the signals of that and reports it as
   * `abandoned`; the engine runs it again, in another worker.
   *
   * @throws {Error} called from inside one of its own tasks, as far as the host can tell
   */
  close(options?: DrainOptions): Promise<DrainReport>
  /** The same, so that a worker is a `Drainable`. */
  drain(options?: DrainOptions): Promise<DrainReport>
}

/**
 * A durable engine.
 *
 * - `enqueue` and `enqueueAll` MUST NOT resolve before the engine has acknowledged, and MUST settle within the engine's
 *   `timeoutMs`: with a `QueueError` where it is down, frozen or refuses. After a rejection no job of theirs may appear.
 * - `enqueueAll` MUST check every item before it sends the first; all jobs of a task are taken, or none.
 * - A worker MUST NOT take a task it was not given.
 * - What the engine cannot do MUST stand in `lacks`, and is refused with a `QueueError` that holds the reason.
 * - After an outage, even at the first call, the same object MUST work again when the engine does.
 */
export interface TaskQueue<Transaction = never> extends AsyncDisposable {
  /** The name of the engine. */
  readonly name: string
  readonly limits: QueueLimits
  /** What it cannot do, with the reason. */
  readonly lacks: Readonly<Partial<Record<QueueFeature, string>>>
  /**
   * Opens it now, to fail at boot. Every other method does it on its own.
   *
   * @throws {QueueError} it cannot be opened
   */
  ready(): Promise<void>
  /**
   * Checks an item and gives it the form in which it is sent, in which `enqueueAll` takes it as it is. `tasks.add` calls it,
   * so that bad input is refused there, when the schema of the task was asked.
   *
   * @throws {TaskInputError} JSON does not carry the input, or it is too large
   * @throws {TypeError} an option is not what it must be
   * @throws {QueueError} the engine lacks what an option asks for
   */
  prepare?(item: QueueItem<Transaction>): QueueItem<Transaction>
  /**
   * Enqueues one job.
   *
   * @throws {QueueError} the engine did not take it
   * @throws {TaskInputError} its schema refuses the input, JSON does not carry it, or it is too large
   */
  enqueue<I>(task: Task<I, any>, input: I, options?: EnqueueOptions<Transaction>): Promise<{ id: string }>
  /** Enqueues several, of one or more tasks; nothing is sent unless every one is fit to be. */
  enqueueAll(items: readonly QueueItem<Transaction>[]): Promise<{ id: string }[]>
  /** What is known of a job; undefined where there is none, or its record is gone. */
  get<O>(task: Task<any, O>, id: string): Promise<TaskRecord<O> | undefined>
  /**
   * Enqueues a job at each tick of a cron expression, once however many processes call this. It lives in the engine, until
   * `unschedule`; the same task and key again replaces it.
   *
   * @throws {TypeError} the expression or the zone is wrong, or finer than `limits.scheduleStepMs`
   */
  schedule<I>(task: Task<I, any>, cron: string, input: I, options?: ScheduleOptions): Promise<void>
  /** Ends a schedule. */
  unschedule(task: Task<any, any>, key?: string): Promise<void>
  /** Starts to run these tasks, and no others, in this process. */
  work(tasks: readonly Task<any, any>[], options?: WorkOptions): Promise<QueueWorker>
  /**
   * Closes its workers, then itself: what still runs after the engine's `timeoutMs` is abandoned. It refuses every call from
   * now on; those that are under way are answered before.
   *
   * @throws {Error} called from inside a task of its workers, as far as the host can tell
   */
  close(): Promise<void>
}
