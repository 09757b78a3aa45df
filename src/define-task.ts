/**
 * A task with a name, a policy and a checked input.
 *
 * @module
 */
import type { Outcome } from './adapter.ts'
import { TaskInputError } from './errors.ts'
import { type RunOn, runOnRule } from './options.ts'
import { type RetryOptions, type RetryPolicy, retryRule } from './retry.ts'
import { checked, isBoolean, isObject, milliseconds, REQUIRED, type Rules } from './rules.ts'
import type { SchemaInput, SchemaOutput, StandardIssue, StandardSchemaLike } from './standard-schema.ts'
import { isFunction, isPromise } from './values.ts'

/** What a defined task is told beside its input. */
export interface TaskContext {
  /** What `add` returned. */
  readonly id: string
  readonly name: string
  /** The number of the attempt, from 1. */
  readonly attempt: number
  /** Aborted when the attempt exceeds `timeoutMs`, and when a drain reaches its deadline. */
  readonly signal: AbortSignal
  /** How the request ended that the task was added in. The worker of a queue does not know it: there nothing threw. */
  readonly outcome: Outcome
}

/** What {@link defineTask} is given. */
export interface TaskDefinition {
  /** How the task is called in events, messages and queues; not empty. */
  readonly name: string
  /**
   * What happens when it fails.
   *
   * @default the wrapper's `retry`
   */
  readonly retry?: RetryOptions | undefined
  /**
   * How long an attempt may take, in milliseconds: 1 to 2^31-1. Then its signal is aborted, it counts as failed with
   * `TaskTimeoutError`, and the list goes on; what the attempt still does is ignored. Code that never yields cannot be
   * stopped.
   *
   * @default the wrapper's `timeoutMs`
   */
  readonly timeoutMs?: number | undefined
  /**
   * Which outcomes let it run.
   *
   * @default the wrapper's `runOn`
   */
  readonly runOn?: RunOn | undefined
  /**
   * Whether it stays in this process even where a queue is configured.
   *
   * @default false
   */
  readonly inline?: boolean | undefined
}

/** Made by {@link defineTask}; given to `tasks.add(task, input)`. */
export interface Task<I = any, O = any> {
  readonly name: string
  readonly retry: RetryPolicy | undefined
  readonly timeoutMs: number | undefined
  readonly runOn: RunOn | undefined
  readonly inline: boolean
  /** What it does, with an input that was checked. */
  readonly run: (input: any, context: TaskContext) => O | Promise<O>
  /**
   * Checks an input.
   *
   * @returns what `run` is to be given
   * @throws {TaskInputError} the schema refuses the input
   * @throws {TypeError} the schema is asynchronous
   */
  parse(input: I): unknown
}

type Checked = Omit<Task, 'parse'> & { readonly input?: StandardSchemaLike }

const rules: Rules = {
  name: [REQUIRED, 'a string that is not empty', (value) => typeof value === 'string' && value !== ''],
  run: [REQUIRED, 'a function (input, context) => …', isFunction],
  input: [undefined, 'a Standard Schema', (value) => isFunction(value?.['~standard']?.validate)],
  retry: retryRule,
  timeoutMs: milliseconds(undefined, 1),
  runOn: runOnRule(),
  inline: [false, 'a boolean', isBoolean],
}

/**
 * Defines a task, to be added by `tasks.add(task, input)`.
 *
 * @example
 * ```ts
 * import { defineTask, withBackgroundTasks } from 'background-tasks'
 *
 * const greet = defineTask({
 *   name: 'greet',
 *   retry: { attempts: 5 },
 *   timeoutMs: 10_000,
 *   run: async (to: string, { signal }) => {
 *     await fetch(`http://localhost:8025/greet/${to}`, { method: 'POST', signal })
 *   },
 * })
 *
 * export const handler = withBackgroundTasks((_request, tasks) => {
 *   const id = tasks.add(greet, 'ada')
 *   return Response.json({ id }, { status: 202 })
 * })
 * ```
 *
 * @param definition with `input`, a synchronous Standard Schema (zod, valibot, arktype, …), the input is checked at `add`,
 * and `run` is given what the schema gives
 * @throws {TypeError} a part of it is not what it must be
 */
export function defineTask<I = undefined, O = unknown>(
  definition: TaskDefinition & {
    readonly input?: undefined
    readonly run: (input: I, context: TaskContext) => O | Promise<O>
  },
): Task<I, O>
export function defineTask<S extends StandardSchemaLike<any, any>, O>(
  definition: TaskDefinition & {
    readonly input: S
    readonly run: (input: SchemaOutput<S>, context: TaskContext) => O | Promise<O>
  },
): Task<SchemaInput<S>, O>
export function defineTask(definition: TaskDefinition): Task {
  const { input: schema, ...task } = checked<Checked>(rules, definition, 'define the task')
  return { ...task, parse: (input) => (schema ? parse(task.name, schema, input) : input) }
}

function parse(name: string, schema: StandardSchemaLike, input: unknown): unknown {
  const result = schema['~standard'].validate(input)
  if (isPromise(result)) {
    result.then(undefined, () => {})
    throw new TypeError(`Cannot add the task '${name}' as its schema is asynchronous, or threw: check that in the task`)
  }
  if (!result.issues) return result.value
  const issues = result.issues.map(sentence).join('; ')
  throw new TaskInputError(`Cannot add the task '${name}' as its input is invalid: ${issues}`, result.issues)
}

function sentence({ message, path = [] }: StandardIssue): string {
  const keys = path.map((segment) => String(typeof segment === 'object' ? segment.key : segment))
  return keys.length > 0 ? `${keys.join('.')}: ${message}` : message
}

/** By its shape: a task may come from another copy of the package. */
export function isTask(value: unknown): value is Task {
  return isObject(value) && isFunction((value as Task).run) && isFunction((value as Task).parse)
}
