/**
 * `Deno.serve`.
 *
 * @module
 */
import { type Adapter, afterMacrotask, type Call } from '../src/adapter.ts'
import { afterReturn } from './_body.ts'

/** The part of `Deno.ServeHandlerInfo` that is used. */
export interface ServeHandlerInfoLike {
  readonly completed: Promise<void>
}

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
    matches: (call) => infoOf(call) !== undefined,
    afterResponse(start, call, response) {
      // Read only now: the getter makes a promise for every request that is asked for one.
      const completed = infoOf(call)?.completed
      if (!completed) return afterReturn(start, call, response)
      const settled = (): void => afterMacrotask(() => start('flushed'))
      completed.then(settled, settled)
    },
  }
}

// `in` and not a read, so that the promise is not made; srvx puts the object on the request.
function infoOf({ request, platform }: Call): ServeHandlerInfoLike | undefined {
  const runtime = (request as { runtime?: { deno?: { info?: unknown } } } | undefined)?.runtime
  return [...platform, runtime?.deno?.info].find((value) => typeof value === 'object' && value !== null && 'completed' in value && 'remoteAddr' in value) as
    | ServeHandlerInfoLike
    | undefined
}
