/**
 * What holds one task from `add` to its end.
 *
 * @module
 */
import { isTask, type Task } from './define-task.ts'
import type { TaskInfo } from './observer.ts'
import type { RunOn, Settings } from './options.ts'
import type { RetryPolicy } from './retry.ts'
import { isObject, refuse } from './rules.ts'
import { isFunction, isPromise, show } from './values.ts'

/** A task that has not started. */
export interface PendingTask extends TaskInfo {
  /** What the function will be called with; empty for a defined task. */
  readonly args: readonly unknown[]
  /** What a defined task was added with. */
  readonly input?: unknown
}

/** Options of `tasks.add(task, input, options)`. */
export interface AddOptions {
  /**
   * The id of the task: any string that is not empty.
   *
   * @default a random UUID
   */
  readonly id?: string | undefined
}

/** The arguments of `add` after a defined task: its input may be left out where it may be undefined. */
export type TaskArguments<I> = undefined extends I
  ? [input?: I, options?: AddOptions]
  : [input: I, options?: AddOptions]

/** What a task has that is more than a function with arguments. */
export interface Policy {
  readonly task: Task | undefined
  /** As it was passed. */
  readonly input: unknown
  readonly retry: RetryPolicy | undefined
  readonly timeoutMs: number | undefined
  /** Gives up the attempt that runs, or the wait for the next one. */
  stop: ((reason: unknown) => void) | undefined
}

/** What holds one task from `add` to its end. Small: a list may hold a million. */
export class Entry implements TaskInfo {
  /** Gone, with the arguments, once the task has ended. */
  work: ((...args: any[]) => unknown) | undefined
  args: unknown[] | undefined
  policy: Policy | undefined
  next: Entry | undefined
  attempt = 0
  ended = false
  /** When the attempt started, as `performance.now()`; set only where somebody observes. */
  startedAt: number | undefined
  #id: string | undefined

  constructor(work: (...args: any[]) => unknown, args: unknown[], policy?: Policy, id?: string) {
    this.work = work
    this.args = args
    this.policy = policy
    this.#id = id
  }

  get id(): string {
    return (this.#id ??= crypto.randomUUID())
  }

  /** A rule of its own. */
  get runOn(): RunOn | undefined {
    return this.policy?.task?.runOn
  }

  get name(): string {
    // Of a remote procedure (Workers RPC) every property is a function; a getter of somebody's may throw.
    try {
      const name: unknown = (this.policy?.task ?? this.work)?.name
      if (typeof name === 'string' && name) return name
    } catch {}
    return 'anonymous'
  }
}

/**
 * Of what `add` was given.
 *
 * @throws {TypeError} it is neither a function nor a defined task
 */
export function entryOf(work: unknown, args: unknown[], { retry, timeoutMs }: Settings): Entry {
  if (isFunction(work)) {
    // The wrapper's defaults.
    const policy =
      retry || timeoutMs ? { task: undefined, input: undefined, retry, timeoutMs, stop: undefined } : undefined
    return new Entry(work, args, policy)
  }
  if (!isTask(work)) {
    const hint = isPromise(work) ? ': pass the function and its arguments, not the promise' : ''
    throw new TypeError(`Cannot add the task as it must be a function: current value is ${show(work)}${hint}`)
  }
  const [input, options = {}] = args as [unknown, AddOptions?]
  const what = `add the task '${work.name}'`
  if (!isObject(options)) refuse('options', 'an object', options, what)
  const { id = crypto.randomUUID() } = options
  if (typeof id !== 'string' || id === '') refuse('id', 'a string that is not empty', id, what)
  const policy = {
    task: work,
    input,
    retry: work.retry ?? retry,
    timeoutMs: work.timeoutMs ?? timeoutMs,
    stop: undefined,
  }
  return new Entry(work.run, [work.parse(input)], policy, id)
}

/** As `pending` shows it. */
export function shown({ id, name, args = [], policy }: Entry): PendingTask {
  return policy?.task ? { id, name, args: [], input: policy.input } : { id, name, args: [...args] }
}
