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

const VERCEL: unique symbol = Symbol.for('@vercel/request-context')
const NEXT: unique symbol = Symbol.for('@next/request-context')

interface HostGlobals {
  readonly [VERCEL]?: any
  readonly [NEXT]?: any
  readonly Netlify?: any
  readonly EdgeRuntime?: any
}

/**
 * The one on the request (srvx), on an argument of the host (`ctx`, `event`, Netlify's `context`), or in one (`env.context`
 * of hono/netlify, `platform.ctx` of SvelteKit).
 */
export function extenderOfCall({ request, platform }: Call): ExtenderLike | undefined {
  if (isExtender(request)) return request
  // Neither `find` nor `for of`, which cost as much as all the rest of detection.
  for (let i = 0; i < platform.length; i++) if (isExtender(platform[i])) return platform[i]
  for (let i = 0; i < platform.length; i++) {
    const extender = extenderIn(platform[i])
    if (extender) return extender
  }
  return undefined
}

function extenderIn(argument: any): ExtenderLike | undefined {
  try {
    if (isLocal(argument?.context)) return argument.context
    if (isLocal(argument?.ctx)) return argument.ctx
  } catch {
    // Its `env` may throw for a name that it does not have.
  }
  return undefined
}

/** The one that a host keeps for the request that is being handled: Vercel, Next, Netlify, Supabase. */
export function extenderOfHost(): ExtenderLike | undefined {
  const { [VERCEL]: vercel, [NEXT]: next, Netlify: netlify, EdgeRuntime: supabase } = globalThis as HostGlobals
  // Most often there is none, and that has to be quick.
  if (!vercel && !next && !netlify && !supabase) return undefined
  return [vercel?.get?.(), next?.get?.(), netlify?.context, supabase].find(isExtender)
}

/** Vercel's own. */
export function extenderOfVercel(): ExtenderLike | undefined {
  return [(globalThis as HostGlobals)[VERCEL]?.get?.()].find(isExtender)
}

/** Netlify's own. */
export function extenderOfNetlify(): ExtenderLike | undefined {
  return [(globalThis as HostGlobals).Netlify?.context].find(isExtender)
}

/** Of a remote object (a service binding of Workers in `env`) every property is there, and a function. */
function isLocal(value: unknown): value is ExtenderLike {
  return isExtender(value) && typeof (value as { then?: unknown }).then !== 'function'
}

function isExtender(value: unknown): value is ExtenderLike {
  try {
    return typeof (value as ExtenderLike | null | undefined)?.waitUntil === 'function'
  } catch {
    // Some wrap their `env` so that it throws for a name that it does not have.
    return false
  }
}
