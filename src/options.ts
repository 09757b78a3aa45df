/**
 * The options of every entry point, validated once.
 *
 * @module
 */
import type { Adapter, Outcome } from './adapter.ts'
import { print } from './errors.ts'
import type { FailedTask, Observer } from './observer.ts'
import type { TaskQueue } from './queue.ts'
import { type RetryOptions, type RetryPolicy, retryRule } from './retry.ts'
import { checked, isBoolean, milliseconds, oneOf, type Rules } from './rules.ts'
import { isFunction } from './values.ts'

/** Which outcomes let tasks run. */
export type RunOn = 'response' | 'success' | 'always' | ((outcome: Outcome) => boolean)

/** Told of a task that failed. What it throws, or rejects with, is printed and goes no further. */
export type OnError = (error: unknown, task: FailedTask) => unknown

/** Options of `withBackgroundTasks` and its kin. */
export interface BackgroundTasksOptions<P extends unknown[] = any[]> {
  /**
   * The host. Detected for each call when left out.
   *
   * @default detected
   */
  adapter?: Adapter<P> | undefined
  /**
   * When tasks run. What does not run is reported as `discarded`.
   *
   * - `'response'`: the handler returned a response, whatever its status.
   * - `'success'`: and its status is below 400.
   * - `'always'`: also when the handler threw.
   * - a function: asked when the list is about to start; one that throws is printed and counts as false.
   *
   * @default 'response'
   */
  runOn?: RunOn | undefined
  /**
   * When tasks start on a host that does not tell when a response is done (Workers, Bun and unknown ones; Node and Deno
   * always wait for the last byte).
   *
   * - `'response'`: once it was returned.
   * - `'body'`: when its body ended, failed or was cancelled. The body is wrapped, with or without tasks: on Workers
   *   its Content-Length becomes chunked encoding, on Bun a text without a `content-type` header goes out without one.
   *   A body nobody starts to read within 100 ms counts as returned.
   * - `'auto'`: `'body'` for a response that streams by its headers, else `'response'`. These are
   *   `transfer-encoding: chunked` and the content types `text/event-stream`, `application/x-ndjson`,
   *   `application/jsonl`, `multipart/x-mixed-replace`, `text/x-component`.
   *
   * @default 'auto'
   */
  start?: 'auto' | 'response' | 'body' | undefined
  /**
   * How many tasks of one request run at once; at 1 strictly in order of adding.
   *
   * @default 1
   */
  concurrency?: number | undefined
  /**
   * Whether the first failure discards the rest of that request's list, as Starlette does.
   *
   * @default false
   */
  stopOnError?: boolean | undefined
  /**
   * How long each attempt of a task may take, in milliseconds: 1 to 2^31-1. Then it counts as failed with
   * `TaskTimeoutError` and the list goes on; what it still does is ignored. Code that never yields cannot be stopped.
   *
   * @default none
   */
  timeoutMs?: number | undefined
  /**
   * What happens when a task fails.
   *
   * @default none: one attempt
   */
  retry?: RetryOptions | undefined
  /**
   * How many tasks may be unsettled at once, over all requests; past it `add` throws `TooManyTasksError`.
   *
   * @default Infinity
   */
  maxPending?: number | undefined
  /**
   * Called exactly once for each failed task.
   *
   * @default one console.error line
   */
  onError?: OnError | undefined
  /** Sees every event of every task. No event is made when it is left out. */
  observer?: Observer | undefined
  /**
   * Where every task made by `defineTask` goes that is not `inline`: the response is held until the engine has them all. A
   * handler that threw enqueues nothing, unless `runOn` says otherwise. Their own `retry` and `timeoutMs` hold there, those
   * of this wrapper do not.
   *
   * @default none: tasks run in this process
   */
  queue?: TaskQueue<any> | undefined
  /**
   * What happens when the queue is down.
   *
   * - `'throw'`: the wrapped handler rejects with a `QueueError`.
   * - `'inline'`: the tasks run in this process, unless one of them has a delay. They may run twice where the engine froze
   *   with the tasks already in it.
   *
   * @default 'throw'
   */
  onQueueDown?: 'throw' | 'inline' | undefined
}

type Optional = 'adapter' | 'observer' | 'timeoutMs' | 'queue'

/** Options with their defaults filled in. */
export type Settings = Pick<BackgroundTasksOptions, Optional> & { retry: RetryPolicy | undefined } & {
  [K in Exclude<keyof BackgroundTasksOptions, Optional | 'retry'>]-?: NonNullable<BackgroundTasksOptions[K]>
}

const isCount = (value: unknown): boolean => value === Infinity || (Number.isInteger(value) && (value as number) > 0)
const [runOnNames, isRunOnName] = oneOf('response', 'success', 'always')
export const runOnRule = (fallback?: RunOn): Rules[string] => [
  fallback,
  `${runOnNames} or a function`,
  (value) => isFunction(value) || isRunOnName(value),
]
const rules: Rules = {
  adapter: [undefined, 'an adapter such as node() or workers()', (value) => isFunction(value?.afterResponse)],
  runOn: runOnRule('response'),
  start: ['auto', ...oneOf('auto', 'response', 'body')],
  concurrency: [1, 'a positive integer or Infinity', isCount],
  stopOnError: [false, 'a boolean', isBoolean],
  timeoutMs: milliseconds(undefined, 1),
  retry: retryRule,
  maxPending: [Infinity, 'a positive integer or Infinity', isCount],
  onError: [printFailure, 'a function', isFunction],
  observer: [undefined, 'a function', isFunction],
  queue: [undefined, 'a queue such as pgBoss() or memory()', (value) => isFunction(value?.enqueueAll)],
  onQueueDown: ['throw', ...oneOf('throw', 'inline')],
}

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {TypeError} an option is not what it must be
 */
export function settingsOf(options: BackgroundTasksOptions = {}): Settings {
  return checked(rules, options, 'create background tasks')
}

export function printFailure(error: unknown, { name, id, attempt }: FailedTask): void {
  print(`task '${name}' failed (id ${id}, attempt ${attempt})`, error)
}
