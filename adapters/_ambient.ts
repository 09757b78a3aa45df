/**
 * Node's response of the request that is being handled, for frameworks that do not hand it on.
 *
 * @module
 */
import type { OutgoingLike } from './_outgoing.ts'

interface ProcessLike {
  getBuiltinModule?(name: 'node:async_hooks'): {
    readonly AsyncLocalStorage: new () => { enterWith(store: OutgoingLike): void; getStore(): OutgoingLike | undefined }
  }
  getBuiltinModule?(name: 'node:diagnostics_channel'): {
    subscribe(channel: string, listener: (message: unknown) => void): void
  }
}

let find: (() => OutgoingLike | undefined) | undefined

export const ambientOutgoing = (): OutgoingLike | undefined => find?.()

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
  if (find || !hooks || !channels) return
  const responses = new hooks.AsyncLocalStorage()
  channels.subscribe('http.server.request.start', (message) => {
    responses.enterWith((message as { response: OutgoingLike }).response)
  })
  find = () => responses.getStore()
}
