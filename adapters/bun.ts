/**
 * `Bun.serve`.
 *
 * @module
 */
import type { Adapter } from '../src/adapter.ts'
import { afterReturn } from './_body.ts'

/**
 * Starts the tasks one macrotask after the response was returned, or when a streaming body has ended: Bun has no signal
 * for a response that is done.
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { bun } from 'background-tasks/bun'
 *
 * export default {
 *   fetch: withBackgroundTasks(
 *     (request, tasks) => {
 *       tasks.add(console.log, 'after the response:', request.url)
 *       return new Response('at once')
 *     },
 *     { adapter: bun() },
 *   ),
 * }
 * ```
 */
export function bun(): Adapter {
  return {
    name: 'bun',
    lacks: {
      lastByte: 'Bun has no signal for a response that is done: `start` decides',
      aborted: 'only a tracked body tells, when it is cancelled',
      largeBody: 'what the socket cannot take at once (some 1 MB) waits for a CPU-bound task',
      keepAlive: '`server.stop()` does not wait for tasks: call `drain` after it',
      addInBody:
        "nothing tells that a body is still being produced: add one task before returning, or set `start: 'body'`",
    },
    matches: () => 'Bun' in globalThis,
    afterResponse: afterReturn,
  }
}
