/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `Deno.serve`.
 *
 * @module
 */
import type { Adapter } from '../src/adapter.ts'
import type { Drainable } from '../src/create-background-tasks.ts'
import { afterReturn } from './_body.ts'
import { afterCompleted, infoOf } from './_completed.ts'
import { matching } from './_matches.ts'
import { type GracefulShutdownOptions, type Host, shutdownOn } from './_shutdown.ts'
import { dieBy, type RuntimeLike } from './_signals.ts'

export type { ServeHandlerInfoLike } from './_completed.ts'
export type { GracefulShutdownOptions } from './_shutdown.ts'

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
      keepAlive: '`server.shutdown()` does not wait for tasks: use `gracefulShutdown`, or call `drain` after it',
    },
    matches: matching(infoOf),
    afterResponse(start, call, response) {
      const info = infoOf(call)
      return info ? afterCompleted(start, info, response) : afterReturn(start, call, response)
    },
  }
}

/** The member that is used of `Deno.HttpServer`. */
export interface DenoServerLike {
  shutdown(): Promise<void>
}

/**
 * Ends the process in order when it is asked to: no new connections, the running responses to their end, then their tasks.
 * At the deadline, or a second signal, the tasks are cut off and printed in one line. Then the process dies by that signal,
 * and with it what still runs. Call it once, before traffic.
 *
 * Idle connections and WebSockets are closed at once. Whoever else listens to the signal hears it once more instead, and
 * keeps the process alive, as Deno does not tell that there is one. As the first process of a container it exits with 128
 * and the number of the signal, as a shell would say it. No permission is asked for.
 *
 * @example
 * ```ts deno
 * import { withBackgroundTasks } from 'background-tasks'
 * import { gracefulShutdown } from 'background-tasks/deno'
 *
 * const handler = withBackgroundTasks((request: Request, tasks) => {
 *   tasks.add(console.log, 'after the response:', request.url)
 *   return new Response('at once')
 * })
 * gracefulShutdown(Deno.serve(handler), handler)
 * ```
 *
 * @param server one or more of what `Deno.serve` gives
 * @param drainables one or more of: wrapped handler, Hono middleware, or whatever has `drain`
 * @param options see {@link GracefulShutdownOptions}
 * @returns takes the handlers of the signals off again
 * @throws {TypeError} an argument is not what it must be
 */
export function gracefulShutdown(
  server: DenoServerLike | readonly DenoServerLike[],
  drainables: Drainable | readonly Drainable[],
  options: GracefulShutdownOptions = {},
): Disposable {
  return shutdownOn(HOST, server, drainables, options)
}

interface DenoLike extends RuntimeLike {
  addSignalListener(signal: string, listener: () => void): void
  removeSignalListener(signal: string, listener: () => void): void
}

const current = (): DenoLike => (globalThis as unknown as { Deno: DenoLike }).Deno

const HOST: Host<DenoServerLike> = {
  expected: 'one or more of what Deno.serve gives',
  methods: ['shutdown'],
  // The end of the process is all that cuts off its responses.
  watch: (server) => ({ stop: () => server.shutdown(), cut() {} }),
  on: (signal, listener) => current().addSignalListener(signal, listener),
  off: (signal, listener) => current().removeSignalListener(signal, listener),
  raise: (signal) => dieBy(signal, current()),
}
