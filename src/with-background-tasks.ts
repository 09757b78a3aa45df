/**
 * The wrapper: a handler with a list of tasks becomes an ordinary handler.
 *
 * @module
 */
import type { BackgroundTasks } from './background-tasks.ts'
import type { BackgroundTasksScope, Drainable } from './create-background-tasks.ts'
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
  scope: BackgroundTasksScope,
): WrappedHandler<P, R> {
  const wrapped = (request: R, ...platform: P): Response | Promise<Response> => {
    const { tasks, settle } = scope.open({ request, platform })
    const fail = (error: unknown): never | Promise<never> => {
      const held = settle<unknown>(undefined, { error })
      const rethrow = (): never => {
        throw error
      }
      return isPromise(held) ? held.then(rethrow) : rethrow()
    }
    let result: Response | Promise<Response>
    try {
      result = handler(request, tasks, ...platform)
    } catch (error) {
      return fail(error)
    }
    return isPromise(result) ? result.then((response) => settle(response), fail) : settle(result)
  }
  return Object.assign(wrapped, { drain: scope.drain.bind(scope) })
}
