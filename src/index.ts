/**
 * Background tasks for Web-standard servers: the client gets its response at once, then the tasks run.
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 *
 * export default {
 *   fetch: withBackgroundTasks((request, tasks) => {
 *     tasks.add(console.log, 'after the response:', request.url)
 *     return new Response('at once')
 *   }),
 * }
 * ```
 *
 * @module
 */
import { detect } from '../adapters/detect.ts'
import { type BackgroundTasksScope, Scope } from './create-background-tasks.ts'
import type { BackgroundTasksOptions } from './options.ts'
import { refuse } from './rules.ts'
import { type HandlerWithTasks, type WrappedHandler, wrap } from './with-background-tasks.ts'

export type { Adapter, Call, Delivery, HostFeature, Outcome } from './adapter.ts'
export { BackgroundTasks } from './background-tasks.ts'
export type {
  BackgroundTasksScope,
  Drainable,
  DrainOptions,
  DrainReport,
  Ending,
  OpenList,
  OpenOptions,
} from './create-background-tasks.ts'
export { defineTask, type Task, type TaskContext, type TaskDefinition } from './define-task.ts'
export type { AddOptions, PendingTask, TaskArguments } from './entry.ts'
export { NonRetryableError, QueueError, TaskInputError, TaskTimeoutError, TooManyTasksError } from './errors.ts'
export type { FailedTask, Observer, TaskEnd, TaskEvent, TaskInfo, TraceContext } from './observer.ts'
export type { BackgroundTasksOptions, OnError, RunOn } from './options.ts'
export type {
  EnqueueOptions,
  QueueFeature,
  QueueItem,
  QueueLimits,
  QueueWorker,
  ScheduleOptions,
  TaskQueue,
  TaskRecord,
  WorkOptions,
} from './queue.ts'
export type { RetryOptions, RetryPolicy } from './retry.ts'
export type { SchemaInput, SchemaOutput, StandardIssue, StandardResult, StandardSchemaLike } from './standard-schema.ts'
export type { HandlerWithTasks, WrappedHandler } from './with-background-tasks.ts'

/**
 * Gives a handler a list of tasks, which run once its response has left.
 *
 * What the host passes after the request (`env`, `ctx`, `info`, …) is passed on, after the list. With no task added the
 * very same Response comes back. A handler that throws still throws, and its tasks are discarded.
 *
 * @param handler gets the request, the list, and what the host passes
 * @param options see {@link BackgroundTasksOptions}
 * @returns an ordinary handler, with `drain()`
 * @throws {TypeError} `handler` is not a function, or an option is not what it must be
 */
export function withBackgroundTasks<P extends unknown[] = any[], R extends Request = Request>(
  handler: HandlerWithTasks<P, R>,
  options?: BackgroundTasksOptions<NoInfer<P>>,
): WrappedHandler<P, R> {
  if (typeof handler !== 'function')
    refuse('handler', 'a function (request, tasks) => Response', handler, 'create background tasks')
  return wrap(handler, new Scope(options as BackgroundTasksOptions | undefined, detect))
}

/**
 * The object that every entry point is made of, for authors of frameworks and middleware.
 *
 * @example
 * ```ts
 * import { type BackgroundTasks, createBackgroundTasks } from 'background-tasks'
 *
 * const background = createBackgroundTasks()
 * const next = async (tasks: BackgroundTasks) => new Response(String(tasks.size))
 *
 * // `platform` is what the host passes after the request: without it, Workers cannot be kept alive.
 * export async function handler(request: Request, ...platform: unknown[]): Promise<Response> {
 *   const { tasks, settle } = background.open({ request, platform })
 *   try {
 *     return await settle(await next(tasks))
 *   } catch (error) {
 *     await settle(undefined, { error })
 *     throw error
 *   }
 * }
 * ```
 *
 * @param options see {@link BackgroundTasksOptions}
 * @throws {TypeError} an option is not what it must be
 */
export function createBackgroundTasks<P extends unknown[] = any[]>(
  options?: BackgroundTasksOptions<P>,
): BackgroundTasksScope<P> {
  return new Scope(options as BackgroundTasksOptions | undefined, detect)
}
