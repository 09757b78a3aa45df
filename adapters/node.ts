/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Node's http, https and http2 servers, and what stands on them: @hono/node-server, srvx, Express, Fastify, Koa.
 *
 * @module
 */
import type { Adapter, Delivery } from '../src/adapter.ts'
import type { BackgroundTasks } from '../src/background-tasks.ts'
import { type Drainable, type OpenList, Scope } from '../src/create-background-tasks.ts'
import { guarded } from '../src/errors.ts'
import type { BackgroundTasksOptions } from '../src/options.ts'
import { isObject, refuse } from '../src/rules.ts'
import { afterReturn } from './_body.ts'
import { extenderOfHost } from './_extender.ts'
import { holdEnd } from './_held-end.ts'
import { matching } from './_matches.ts'
import { type NodeServerLike, nodeServer } from './_node-server.ts'
import { afterOutgoing, afterTurn, type OutgoingLike, outgoingOf, whenLeft } from './_outgoing.ts'
import { type GracefulShutdownOptions, type Host, shutdownOn } from './_shutdown.ts'
import { processSignals } from './_signals.ts'

export { trackResponses } from './_ambient.ts'
export type { NodeServerLike } from './_node-server.ts'
export type { OutgoingLike } from './_outgoing.ts'
export type { GracefulShutdownOptions } from './_shutdown.ts'

/**
 * Starts the tasks when Node's response has closed: flushed to the last byte, or given up by its client.
 *
 * @example
 * ```ts
 * import { serve } from '@hono/node-server'
 * import { withBackgroundTasks } from 'background-tasks'
 * import { node } from 'background-tasks/node'
 *
 * serve({
 *   fetch: withBackgroundTasks(
 *     (request: Request, tasks) => {
 *       tasks.add(console.log, 'after the response:', request.url)
 *       return new Response('at once')
 *     },
 *     { adapter: node() },
 *   ),
 * })
 * ```
 */
export function node(): Adapter {
  return {
    name: 'node',
    lacks: { keepAlive: '`server.close()` does not wait for tasks: use `gracefulShutdown`, or call `drain` after it' },
    matches: matching(outgoingOf),
    afterResponse(start, call, response) {
      const outgoing = outgoingOf(call)
      return outgoing ? afterOutgoing(start, outgoing) : afterReturn(start, call, response)
    },
  }
}

/** Gives the list of a Node response, the same at every call; waits for all of them. */
export type TasksFor = ((res: OutgoingLike) => BackgroundTasks) & Drainable

/**
 * Makes a {@link tasksFor} with options of its own.
 *
 * With a `queue` it holds `res.end()` back until the engine has the tasks; where it does not take them, the client gets
 * status 500, or, if it has a status already, is cut off. What `write`, or a pipe, was given before `end` has left by then.
 * Fastify writes the status first, so that there it is always the latter.
 *
 * @param options see `BackgroundTasksOptions`; there is nothing to detect, so `adapter` is not among them
 * @throws {TypeError} an option is not what it must be
 */
export function createTasksFor(options?: Omit<BackgroundTasksOptions, 'adapter'>): TasksFor {
  // A property, as a WeakMap grows dear under load.
  const list = Symbol('background tasks')
  type Listed = OutgoingLike & { [list]?: OpenList & { isWatched?: boolean; left?: Delivery } }
  const adapter: Adapter = {
    name: 'node',
    // Nobody tells when such a handler has ended; the end of its response is the end of it.
    keepAlive(work, { platform: [res] }) {
      // Express on Vercel.
      extenderOfHost()?.waitUntil(work)
      if (res[list].isWatched) return
      res[list].isWatched = true
      const settle = (status?: number): unknown => res[list].settle(undefined, { status })
      // Its client may rely on what the queue has.
      if (scope.options.queue) holdEnd(res, () => settle(res.statusCode))
      whenLeft(res, (delivery) => {
        res[list].left = delivery
        // Of a client that left before it, a status says nothing: Koa's is 404 until there is a body.
        const status = res.headersSent === false ? undefined : res.statusCode
        guarded('the queue did not take the tasks of a response', () => settle(status))
      })
    },
    afterResponse(start, { platform: [res] }) {
      // Not asked for again: of bridges to Lambda `close` is an event that comes once, and leaves no trace.
      const { left } = res[list]
      if (left) afterTurn(start, left, res)
      else afterOutgoing(start, res)
    },
  }
  if (options !== undefined && !isObject(options)) refuse('options', 'an object', options, 'create background tasks')
  const scope = new Scope({ ...options, adapter }, () => adapter)
  return Object.assign(
    (res: OutgoingLike): BackgroundTasks => {
      // A reply of Fastify or a context of Koa would pass for a response that is over.
      if (!isObject(res) || 'raw' in res || 'res' in res) {
        refuse('res', 'a ServerResponse (Fastify: reply.raw, Koa: ctx.res)', res, 'give the tasks of the response')
      }
      return ((res as Listed)[list] ??= scope.open({ platform: [res] })).tasks
    },
    { drain: scope.drain.bind(scope) },
  )
}

/**
 * The list of a response of `http`, Express, Fastify or Koa; its tasks start when the response has left. A handler that
 * failed shows there only as the status of the response.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { tasksFor } from 'background-tasks/node'
 *
 * createServer((req, res) => {
 *   tasksFor(res).add(console.log, 'after the response:', req.url)
 *   res.end('at once')
 * })
 * ```
 */
export const tasksFor: TasksFor = createTasksFor()

/**
 * Ends the process in order when it is asked to: no new connections, the running responses to their end, then their tasks.
 * At the deadline, or a second signal, both are cut off, and the tasks that were are printed in one line. Then the process
 * dies by that signal, unless somebody else listens to it. Call it once, before traffic.
 *
 * Idle connections are closed at once, others as they become idle. One that was upgraded (WebSocket) is waited for like a
 * response. As the first process of a container it exits with 128 and the number of the signal, as a shell would say it.
 *
 * @example
 * ```ts
 * import { serve } from '@hono/node-server'
 * import { backgroundTasks } from 'background-tasks/hono'
 * import { gracefulShutdown } from 'background-tasks/node'
 * import { Hono } from 'hono'
 *
 * const background = backgroundTasks()
 * const app = new Hono().use(background)
 * gracefulShutdown(serve(app), background)
 * ```
 *
 * @param server one or more servers of `node:http`, `node:https` or `node:http2`, or what `serve` of @hono/node-server gives
 * @param drainables one or more of: wrapped handler, Hono middleware, `tasksFor`, or whatever has `drain`
 * @param options see {@link GracefulShutdownOptions}
 * @returns takes the handlers of the signals off again
 * @throws {TypeError} an argument is not what it must be
 */
export function gracefulShutdown(
  server: NodeServerLike | readonly NodeServerLike[],
  drainables: Drainable | readonly Drainable[],
  options: GracefulShutdownOptions = {},
): Disposable {
  return shutdownOn(HOST, server, drainables, options)
}

const HOST: Host<NodeServerLike> = {
  ...processSignals,
  expected: 'one or more servers of node:http, node:https or node:http2',
  methods: ['close', 'on', 'prependListener', 'listenerCount'],
  watch: nodeServer,
}
