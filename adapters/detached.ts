/**
 * A host that offers nothing: tasks start one macrotask after the handler returned, or when a streaming body ended.
 *
 * @module
 */
import type { Adapter } from '../src/adapter.ts'
import { afterReturn, LACKS } from './_body.ts'

/**
 * An adapter for a host, or a test, without any signal. It is what detection falls back to.
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { detached } from 'background-tasks/detached'
 *
 * const handler = withBackgroundTasks(
 *   (_request, tasks) => {
 *     tasks.add(console.log, 'later')
 *     return new Response('now')
 *   },
 *   { adapter: detached() },
 * )
 * await handler(new Request('http://localhost/'))
 * await handler.drain()
 * ```
 */
export function detached(): Adapter {
  return {
    name: 'detached',
    lacks: { ...LACKS, keepAlive: 'there is nothing to hold the host with: call `drain` before it stops' },
    afterResponse: afterReturn,
  }
}
