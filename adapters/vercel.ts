/**
 * Vercel Functions, on Node and on the edge.
 *
 * @module
 */
import type { Adapter } from '../src/adapter.ts'
import { afterReturn, LACKS } from './_body.ts'
import { extenderOfVercel } from './_extender.ts'
import { matching } from './_matches.ts'

/**
 * Holds the invocation open with the `waitUntil` that Vercel keeps for each request, also where a framework does not hand
 * it on, and starts the tasks one macrotask after the response was returned.
 *
 * The tasks share the function's maximum duration with the response; what is not done by then is cut off.
 * https://vercel.com/docs/functions/functions-api-reference/vercel-functions-package#waituntil
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { vercel } from 'background-tasks/vercel'
 *
 * export default {
 *   fetch: withBackgroundTasks(
 *     (request: Request, tasks) => {
 *       tasks.add(console.log, 'after the response:', request.url)
 *       return new Response('at once')
 *     },
 *     { adapter: vercel() },
 *   ),
 * }
 * ```
 */
export function vercel(): Adapter {
  return {
    name: 'vercel',
    lacks: LACKS,
    matches: matching(extenderOfVercel),
    keepAlive(work) {
      extenderOfVercel()?.waitUntil(work)
    },
    afterResponse: afterReturn,
  }
}
