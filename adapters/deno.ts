/**
 * `Deno.serve`.
 *
 * @module
 */
import type { Adapter } from '../src/adapter.ts'
import { afterReturn } from './_body.ts'
import { afterCompleted, infoOf } from './_completed.ts'
import { matching } from './_matches.ts'

export type { ServeHandlerInfoLike } from './_completed.ts'

/**
 * Starts the tasks when `info.completed` has settled, and one macrotask more: it settles before the bytes are out.
 * https://docs.deno.com/api/deno/~/Deno.ServeHandlerInfo
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { deno } from 'background-tasks/deno'
 *
 * export default {
 *   fetch: withBackgroundTasks(
 *     (request, tasks) => {
 *       tasks.add(console.log, 'after the response:', request.url)
 *       return new Response('at once')
 *     },
 *     { adapter: deno() },
 *   ),
 * }
 * ```
 */
export function deno(): Adapter {
  return {
    name: 'deno',
    lacks: {
      aborted: '`info.completed` settles in the same way when the client left',
      largeBody: 'Deno reads the body ahead of the socket: past about 1 MB a CPU-bound task delays the tail',
      keepAlive: '`server.shutdown()` does not wait for tasks: call `drain` after it',
    },
    matches: matching(infoOf),
    afterResponse(start, call, response) {
      const info = infoOf(call)
      return info ? afterCompleted(start, info) : afterReturn(start, call, response)
    },
  }
}
