/**
 * The options of every entry point, validated once.
 *
 * @module
 */
import type { Adapter, Outcome } from './adapter.ts'
import { print } from './errors.ts'
import type { Observer, TaskInfo } from './observer.ts'
import { show } from './values.ts'

/** Which outcomes let tasks run. */
export type RunOn = 'response' | 'success' | 'always' | ((outcome: Outcome) => boolean)

/** Told of a task that failed. What it throws, or rejects with, is printed and goes no further. */
export type OnError = (error: unknown, task: TaskInfo & { readonly attempt: number }) => unknown

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
}

/** Options with their defaults filled in. */
export type Settings = Pick<BackgroundTasksOptions, 'adapter' | 'observer'> & {
  [K in Exclude<keyof BackgroundTasksOptions, 'adapter' | 'observer'>]-?: NonNullable<BackgroundTasksOptions[K]>
}

const isFunction = (value: unknown): boolean => typeof value === 'function'
const isCount = (value: unknown): boolean => value === Infinity || (Number.isInteger(value) && (value as number) > 0)
const oneOf = (...names: string[]): [string, (value: any) => boolean] => [
  names.map((name) => `'${name}'`).join(', '),
  (value) => names.includes(value),
]

const [runOnNames, isRunOnName] = oneOf('response', 'success', 'always')
const rules: { [name: string]: [fallback: unknown, expected: string, accepts: (value: any) => boolean] } = {
  adapter: [undefined, 'an adapter such as node() or workers()', (value) => isFunction(value?.afterResponse)],
  runOn: ['response', `${runOnNames} or a function`, (value) => isFunction(value) || isRunOnName(value)],
  start: ['auto', ...oneOf('auto', 'response', 'body')],
  concurrency: [1, 'a positive integer or Infinity', isCount],
  stopOnError: [false, 'a boolean', (value) => typeof value === 'boolean'],
  maxPending: [Infinity, 'a positive integer or Infinity', isCount],
  onError: [printFailure, 'a function', isFunction],
  observer: [undefined, 'a function', isFunction],
}

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {TypeError} an option is not what it must be
 */
export function settingsOf(options: BackgroundTasksOptions = {}): Settings {
  if (typeof options !== 'object' || options === null) refuse('options', 'an object', options)
  const settings = Object.entries(rules).map(([name, [fallback, expected, accepts]]) => {
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined && !accepts(value)) refuse(name, expected, value)
    return [name, value ?? fallback]
  })
  return Object.fromEntries(settings)
}

/** Throws the one sentence in which every bad option is refused. */
export function refuse(name: string, expected: string, value: unknown, what = 'create background tasks'): never {
  throw new TypeError(`Cannot ${what} as '${name}' must be ${expected}: current value is ${show(value)}`)
}

/** Whether tasks may run after such an outcome. */
export function judge(runOn: RunOn, outcome: Outcome): boolean {
  const { threw, status = 0 } = outcome
  if (typeof runOn === 'string') return runOn === 'always' || (!threw && (runOn === 'response' || status < 400))
  try {
    return Boolean(runOn(outcome))
  } catch (error) {
    print('runOn failed, the tasks are discarded', error)
    return false
  }
}

function printFailure(error: unknown, { name, id, attempt }: TaskInfo & { readonly attempt: number }): void {
  print(`task '${name}' failed (id ${id}, attempt ${attempt})`, error)
}
