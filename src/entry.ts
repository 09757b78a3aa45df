/**
 * What holds one task from `add` to its end.
 *
 * @module
 */
import { isTask, type Task } from './define-task.ts'
import { type TaskInfo, traceOf } from './observer.ts'
import type { RunOn, Settings } from './options.ts'
import type { EnqueueOptions, QueueItem } from './queue.ts'
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

/**
 * Options of `tasks.add(task, input, options)`. `delayMs` and `priority` are for a task that goes to a queue. There is no
 * `transaction`, as the task is enqueued when the handler has ended: `queue.enqueue` takes one.
 */
export type AddOptions = Pick<EnqueueOptions, 'id' | 'delayMs' | 'priority'>

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
  /** As a queue is given it. */
  readonly item: QueueItem<any> | undefined
  /** Where it will run: in the queue that it has to be given, or was given already, or here. */
  place: 'queue' | 'sent' | 'process'
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
export function entryOf(work: unknown, args: unknown[], settings: Settings): Entry {
  if (isFunction(work)) {
    const { retry, timeoutMs } = settings
    return new Entry(work, args, retry || timeoutMs ? policyOf(undefined, undefined, settings, undefined) : undefined)
  }
  if (!isTask(work)) {
    const hint = isPromise(work) ? ': pass the function and its arguments, not the promise' : ''
    throw new TypeError(`Cannot add the task as it must be a function: current value is ${show(work)}${hint}`)
  }
  const [input, options = {}] = args as [unknown, AddOptions?]
  const what = `add the task '${work.name}'`
  if (!isObject(options)) refuse('options', 'an object', options, what)
  const { id = crypto.randomUUID(), delayMs, priority } = options
  if (typeof id !== 'string' || id === '') refuse('id', 'a string that is not empty', id, what)
  const parsed = work.parse(input)
  let item: QueueItem<any> | undefined
  if (settings.queue && !work.inline) {
    item = { task: work, input, options: { id, delayMs, priority, trace: traceOf(settings.observer) } }
    item = settings.queue.prepare?.(item) ?? item
  } else if (delayMs || priority) {
    refuse(delayMs ? 'delayMs' : 'priority', 'left out where the task goes to no queue', delayMs || priority, what)
  }
  return new Entry(work.run, [parsed], policyOf(work, input, settings, item), id)
}

function policyOf(
  task: Task | undefined,
  input: unknown,
  settings: Settings,
  item: QueueItem<any> | undefined,
): Policy {
  return {
    task,
    input,
    retry: task?.retry ?? settings.retry,
    timeoutMs: task?.timeoutMs ?? settings.timeoutMs,
    item,
    place: item ? 'queue' : 'process',
    stop: undefined,
  }
}

/** As `pending` shows it. */
export function shown({ id, name, args = [], policy }: Entry): PendingTask {
  return policy?.task ? { id, name, args: [], input: policy.input } : { id, name, args: [...args] }
}
