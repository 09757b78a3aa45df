/**
 * Cloudflare Workers, and workerd.
 *
 * @module
 */
import type { Adapter } from '../src/adapter.ts'
import { afterReturn, LACKS } from './_body.ts'
import { extenderOfCall } from './_extender.ts'
import { matching } from './_matches.ts'

/** The part of Workers' `ExecutionContext` that is used. */
export interface ExecutionContextLike {
  waitUntil(promise: Promise<unknown>): void
}

/**
 * Holds the invocation open with `ctx.waitUntil`, and starts the tasks one macrotask after the response was returned (a
 * microtask, as in a bare `ctx.waitUntil(task())`, would hold the response back).
 *
 * The platform gives all tasks of a request 30 seconds after the response or the disconnect:
 * https://developers.cloudflare.com/workers/runtime-apis/context/#waituntil
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { workers } from 'background-tasks/workers'
 *
 * export default {
 *   fetch: withBackgroundTasks(
 *     (request, tasks) => {
 *       tasks.add(console.log, 'after the response:', request.url)
 *       return new Response('at once')
 *     },
 *     { adapter: workers() },
 *   ),
 * }
 * ```
 */
export function workers(): Adapter {
  return {
    name: 'workers',
    lacks: {
      ...LACKS,
      lastByte: 'workerd does not tell when a response is done: `start` decides',
      aborted:
        'only a tracked body tells, when it writes its next chunk, or at once with the flag enable_request_signal',
      largeBody: 'workerd reads the body ahead of the socket: past about 1 MB a CPU-bound task delays the tail',
    },
    matches: matching(({ platform }) => typeof platform[1]?.waitUntil === 'function'),
    keepAlive(work, call) {
      extenderOfCall(call)?.waitUntil(work)
    },
    afterResponse: afterReturn,
  }
}
