/**
 * Any host that has a `waitUntil`.
 *
 * @module
 */
import type { Adapter, Call } from '../src/adapter.ts'
import { afterReturn, LACKS } from './_body.ts'
import type { ExtenderLike } from './_extender.ts'

export type { ExtenderLike } from './_extender.ts'

/**
 * An adapter for a host that keeps an invocation alive until a promise settles.
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { waitUntil } from 'background-tasks/wait-until'
 *
 * interface HostContext {
 *   waitUntil(promise: Promise<unknown>): void
 * }
 *
 * export const handler = withBackgroundTasks(
 *   (_request, tasks, _context: HostContext) => {
 *     tasks.add(console.log, 'later')
 *     return new Response('now')
 *   },
 *   { adapter: waitUntil((call) => call.platform[0]) },
 * )
 * ```
 *
 * @param extenderOf finds the object that has `waitUntil` for a call, or gives such a function itself; undefined where
 * there is none, as in a test: then the tasks run all the same, with nothing to keep the host alive
 */
export function waitUntil<P extends unknown[] = any[]>(
  extenderOf: (call: Call<P>) => ExtenderLike | ExtenderLike['waitUntil'] | undefined,
): Adapter<P> {
  if (typeof extenderOf !== 'function') {
    throw new TypeError(
      `Cannot create the waitUntil adapter as its argument must be a function (call) => extender: current value is ${typeof extenderOf}`,
    )
  }
  return {
    name: 'wait-until',
    lacks: LACKS,
    keepAlive(work, call) {
      const extender = extenderOf(call)
      if (typeof extender === 'function') extender(work)
      else extender?.waitUntil(work)
    },
    afterResponse: afterReturn,
  }
}
