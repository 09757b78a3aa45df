/**
 * Netlify Functions and Edge Functions.
 *
 * @module
 */
import type { Adapter, Call } from '../src/adapter.ts'
import { afterReturn, LACKS } from './_body.ts'
import { extenderOfCall, extenderOfNetlify } from './_extender.ts'
import { matching } from './_matches.ts'

/** The part of Netlify's `Context` that is used. */
export interface NetlifyContextLike {
  waitUntil(promise: Promise<unknown>): void
}

/**
 * Holds the invocation open with `context.waitUntil`, and starts the tasks one macrotask after the response was returned.
 * The context is the function's second argument, `env.context` in Hono, or `Netlify.context`.
 *
 * The tasks share the function's execution limit with the response; what is not done by then is cut off.
 * https://docs.netlify.com/build/functions/api/#waituntil
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { netlify } from 'background-tasks/netlify'
 *
 * export default withBackgroundTasks(
 *   (request: Request, tasks) => {
 *     tasks.add(console.log, 'after the response:', request.url)
 *     return new Response('at once')
 *   },
 *   { adapter: netlify() },
 * )
 * ```
 */
export function netlify(): Adapter {
  return {
    name: 'netlify',
    lacks: LACKS,
    matches: matching(contextOf),
    keepAlive(work, call) {
      contextOf(call)?.waitUntil(work)
    },
    afterResponse: afterReturn,
  }
}

function contextOf(call: Call): NetlifyContextLike | undefined {
  return extenderOfCall(call) ?? extenderOfNetlify()
}
