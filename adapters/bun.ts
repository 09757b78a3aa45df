/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `Bun.serve`.
 *
 * @module
 */
import type { Adapter } from '../src/adapter.ts'
import type { Drainable } from '../src/create-background-tasks.ts'
import { afterReturn, LACKS } from './_body.ts'
import { type GracefulShutdownOptions, type Host, shutdownOn } from './_shutdown.ts'
import { processSignals } from './_signals.ts'

export type { GracefulShutdownOptions } from './_shutdown.ts'

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
      ...LACKS,
      lastByte: 'Bun has no signal for a response that is done: `start` decides',
      largeBody: 'what the socket cannot take at once (some 1 MB) waits for a CPU-bound task',
      keepAlive: '`server.stop()` does not wait for tasks: use `gracefulShutdown`, or call `drain` after it',
    },
    matches: () => 'Bun' in globalThis,
    afterResponse: afterReturn,
  }
}

/** The member that is used of `Bun.Server`. */
export interface BunServerLike {
  stop(closeActiveConnections?: boolean): Promise<void>
}

/**
 * Ends the process in order when it is asked to: no new connections, the running responses to their end, then their tasks.
 * At the deadline, or a second signal, both are cut off, and the tasks that were are printed in one line. Then the process
 * dies by that signal, unless somebody else listens to it. Call it once, before traffic.
 *
 * Idle connections are closed at once. A WebSocket is waited for like a response. As the first process of a container it
 * exits with 128 and the number of the signal, as a shell would say it.
 *
 * @example
 * ```ts bun
 * import { withBackgroundTasks } from 'background-tasks'
 * import { gracefulShutdown } from 'background-tasks/bun'
 *
 * const fetch = withBackgroundTasks((request: Request, tasks) => {
 *   tasks.add(console.log, 'after the response:', request.url)
 *   return new Response('at once')
 * })
 * gracefulShutdown(Bun.serve({ fetch }), fetch)
 * ```
 *
 * @param server one or more of what `Bun.serve` gives
 * @param drainables one or more of: wrapped handler, Hono middleware, or whatever has `drain`
 * @param options see {@link GracefulShutdownOptions}
 * @returns takes the handlers of the signals off again
 * @throws {TypeError} an argument is not what it must be
 */
export function gracefulShutdown(
  server: BunServerLike | readonly BunServerLike[],
  drainables: Drainable | readonly Drainable[],
  options: GracefulShutdownOptions = {},
): Disposable {
  return shutdownOn(HOST, server, drainables, options)
}

const HOST: Host<BunServerLike> = {
  ...processSignals,
  expected: 'one or more of what Bun.serve gives',
  methods: ['stop'],
  watch: (server) => ({ stop: () => server.stop(), cut: () => server.stop(true) }),
}
