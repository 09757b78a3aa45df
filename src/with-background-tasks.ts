/**
 * The wrapper: a handler with a list of tasks becomes an ordinary handler.
 *
 * @module
 */
import type { OpenedCall } from './adapter.ts'
import { type BackgroundTasks, settle } from './background-tasks.ts'
import type { Drainable, Scope } from './create-background-tasks.ts'
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
  const { start } = scope.options
  const wrapped = (request: R, ...platform: P): Response | Promise<Response> => {
    const call = scope.opened({ request, platform, start, tasks: undefined })
    let result: Response | Promise<Response>
    try {
      result = callWith(handler, request, call.tasks, platform)
      // In the `try`, as it may only pass for a promise.
      if (isPromise(result)) return settleLater(call, result)
    } catch (error) {
      return fail(call, error)
    }
    return settle(call, result) as typeof result
  }
  return Object.assign(wrapped, { drain: scope.drain.bind(scope) })
}

// Most hosts pass one argument, or none, and a spread would be the dearest part of the call.
function callWith<R extends Request>(
  handler: HandlerWithTasks<any[], R>,
  request: R,
  tasks: BackgroundTasks,
  platform: unknown[],
): Response | Promise<Response> {
  if (platform.length === 0) return handler(request, tasks)
  return platform.length === 1 ? handler(request, tasks, platform[0]) : handler(request, tasks, ...platform)
}

// Apart, for its closures: see observer.ts.
function settleLater(call: OpenedCall, result: Promise<Response>): Promise<Response> {
  // A thenable may do anything. Of a promise it is the same, and the call is saved.
  return (result.constructor === Promise ? result : Promise.resolve(result)).then(
    (response) => settle(call, response) as typeof response,
    (error) => fail(call, error),
  )
}

function fail(call: OpenedCall, error: unknown): never | Promise<never> {
  const held = settle(call, undefined, { error })
  const rethrow = (): never => {
    throw error
  }
  return isPromise(held) ? held.then(rethrow) : rethrow()
}
