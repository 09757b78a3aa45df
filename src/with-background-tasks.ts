/**
 * The wrapper: a handler with a list of tasks becomes an ordinary handler.
 *
 * @module
 */
import { type BackgroundTasks, settle } from './background-tasks.ts'
import type { Drainable, OpenOptions, Scope } from './create-background-tasks.ts'
import { isPromise } from './values.ts'

/** A handler that is given the list of its request. */
export type HandlerWithTasks<P extends unknown[], R extends Request = Request> = (
  request: R,
  tasks: BackgroundTasks,
  ...platform: P
) => Response | Promise<Response>

/** An ordinary Web-standard handler, which can be drained. */
export type WrappedHandler<P extends unknown[], R extends Request = Request> = ((
  request: R,
  ...platform: P
) => Response | Promise<Response>) &
  Drainable

export function wrap<P extends unknown[], R extends Request>(
  handler: HandlerWithTasks<P, R>,
  scope: Scope,
): WrappedHandler<P, R> {
  const wrapped = (request: R, ...platform: P): Response | Promise<Response> => {
    const opened = { request, platform }
    const tasks = scope.listFor(opened)
    let result: Response | Promise<Response>
    try {
      result = handler(request, tasks, ...platform)
    } catch (error) {
      return fail(tasks, opened, error)
    }
    if (!isPromise(result)) return settle(tasks, opened, result) as typeof result
    return result.then(
      (response) => settle(tasks, opened, response) as typeof response,
      (error) => fail(tasks, opened, error),
    )
  }
  return Object.assign(wrapped, { drain: scope.drain.bind(scope) })
}

function fail(tasks: BackgroundTasks, opened: OpenOptions, error: unknown): never | Promise<never> {
  const held = settle(tasks, opened, undefined, { error })
  const rethrow = (): never => {
    throw error
  }
  return isPromise(held) ? held.then(rethrow) : rethrow()
}
