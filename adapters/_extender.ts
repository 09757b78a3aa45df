/**
 * Where a host keeps its `waitUntil`.
 *
 * @module
 */
import type { Call } from '../src/adapter.ts'

/** What prolongs the life of an invocation: `ExecutionContext`, `FetchEvent`, a request context. */
export interface ExtenderLike {
  waitUntil(promise: Promise<unknown>): void
}

const VERCEL = Symbol.for('@vercel/request-context')
const NEXT = Symbol.for('@next/request-context')

/** The one on the request (srvx) or on an argument of the host (`ctx`, `event`, Netlify's `context`). */
export function extenderOfCall({ request, platform }: Call): ExtenderLike | undefined {
  if (isExtender(request)) return request
  // No `find`: its callback costs as much as all the rest of detection.
  for (const argument of platform) if (isExtender(argument)) return argument
  return undefined
}

/** The one that a host keeps for the request that is being handled: Vercel, Next, Netlify, Supabase. */
export function extenderOfHost(): ExtenderLike | undefined {
  const host = globalThis as { [key: PropertyKey]: any }
  return (
    asExtender(host[VERCEL]?.get?.()) ??
    asExtender(host[NEXT]?.get?.()) ??
    asExtender(host['Netlify']?.context) ??
    asExtender(host['EdgeRuntime'])
  )
}

function asExtender(value: unknown): ExtenderLike | undefined {
  return isExtender(value) ? value : undefined
}

function isExtender(value: unknown): value is ExtenderLike {
  return typeof (value as ExtenderLike | null | undefined)?.waitUntil === 'function'
}
