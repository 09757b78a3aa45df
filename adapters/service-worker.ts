/**
 * Hosts with a `fetch` event: service workers of browsers, Fastly Compute, Workers in the old format.
 *
 * @module
 */
import type { Adapter } from '../src/adapter.ts'
import { refuse } from '../src/rules.ts'
import { isFunction } from '../src/values.ts'
import { afterReturn, LACKS } from './_body.ts'
import { extenderOfCall } from './_extender.ts'
import { matching } from './_matches.ts'

/** The members that are used of a `FetchEvent`. */
export interface FetchEventLike {
  readonly request: Request
  respondWith(response: Response | Promise<Response>): void
  waitUntil(promise: Promise<unknown>): void
}

/**
 * Holds the worker open with `event.waitUntil`, and starts the tasks one macrotask after the response was returned. The
 * event has to be among the handler's arguments: {@link fetchListener} sees to that, and Hono's `handle`.
 *
 * What the host gives the tasks, it says itself: browsers some minutes after the event.
 * https://w3c.github.io/ServiceWorker/#dom-extendableevent-waituntil
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { fetchListener, serviceWorker } from 'background-tasks/service-worker'
 *
 * const handler = withBackgroundTasks(
 *   (request: Request, tasks) => {
 *     tasks.add(console.log, 'after the response:', request.url)
 *     return new Response('at once')
 *   },
 *   { adapter: serviceWorker() },
 * )
 * addEventListener('fetch', fetchListener(handler))
 * ```
 */
export function serviceWorker(): Adapter {
  return {
    name: 'service-worker',
    lacks: LACKS,
    matches: matching(extenderOfCall),
    keepAlive(work, call) {
      extenderOfCall(call)?.waitUntil(work)
    },
    afterResponse: afterReturn,
  }
}

/**
 * Makes the listener of a `fetch` event of a handler, which is given the request and the event.
 *
 * @param handler a wrapped handler, or any other. One that gives nothing at once leaves the request to the network
 * @returns what `addEventListener('fetch', …)` takes
 * @throws {TypeError} `handler` is not a function
 */
export function fetchListener<E extends FetchEventLike = FetchEventLike>(
  handler: (request: E['request'], event: E) => Response | Promise<Response> | undefined,
): (event: Event) => void {
  if (!isFunction(handler))
    refuse('handler', 'a function (request, event) => response', handler, 'listen to fetch events')
  return (event) => {
    const fetchEvent = event as Event & E
    const response = handler(fetchEvent.request, fetchEvent)
    if (response) fetchEvent.respondWith(response)
  }
}
