/**
 * Node's response of the request that is being handled, for frameworks that do not hand it on.
 *
 * @module
 */
import type { OutgoingLike } from './_outgoing.ts'

interface ProcessLike {
  getBuiltinModule?(name: 'node:async_hooks'): {
    readonly AsyncLocalStorage: new () => Storage
  }
  getBuiltinModule?(name: 'node:diagnostics_channel'): {
    subscribe(channel: string, listener: (message: unknown) => void): void
  }
}

interface Storage {
  enterWith(response: OutgoingLike): void
  getStore(): OutgoingLike | undefined
}

/** On the global object, as a bundler may put a copy of this module into each of an application's parts. */
const RESPONSES: unique symbol = Symbol.for('background-tasks.responses')
const shared = globalThis as { [RESPONSES]?: Storage }

export const ambientOutgoing = (): OutgoingLike | undefined => shared[RESPONSES]?.getStore()

/**
 * Lets detection find Node's response by the async context too, for frameworks that give a handler nothing but its Request:
 * SvelteKit, Astro, React Router, Next.js. Call it once, before the first request; then their tasks start when the response
 * has left, as everywhere on Node. It costs every request of the process an AsyncLocalStorage's store.
 *
 * HTTP/1 only. On any other host, and before Node 20.16, it does nothing.
 * https://nodejs.org/api/diagnostics_channel.html#event-httpserverrequeststart
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { trackResponses } from 'background-tasks/node'
 *
 * trackResponses()
 *
 * // What the framework calls with a Request alone.
 * export const handle = withBackgroundTasks((request: Request, tasks) => {
 *   tasks.add(console.log, 'after the response:', request.url)
 *   return new Response('at once')
 * })
 * ```
 */
export function trackResponses(): void {
  const { process } = globalThis as { process?: ProcessLike }
  const hooks = process?.getBuiltinModule?.('node:async_hooks')
  const channels = process?.getBuiltinModule?.('node:diagnostics_channel')
  if (shared[RESPONSES] || !hooks || !channels) return
  const responses = new hooks.AsyncLocalStorage()
  shared[RESPONSES] = responses
  channels.subscribe('http.server.request.start', (message) => {
    responses.enterWith((message as { response: OutgoingLike }).response)
  })
}
