/**
 * Finds out which host a call runs on.
 *
 * Two questions are asked, and each is answered for itself: what tells that the response has left, and who keeps the host
 * alive. srvx on Node has both: its tasks start when the response has closed, and its `waitUntil` holds the server open.
 *
 * @module
 */
import type { Adapter, Call } from '../src/adapter.ts'
import { type ExtenderLike, extenderOfCall, extenderOfHost } from './_extender.ts'
import { bun } from './bun.ts'
import { deno } from './deno.ts'
import { detached } from './detached.ts'
import { node } from './node.ts'
import { workers } from './workers.ts'

const hosts = [node(), deno(), workers(), bun()]
const fallback = detached()

/**
 * The adapter for a call; the default of the option `adapter`. Never throws.
 *
 * @param call the call
 */
export function detect(call: Call): Adapter {
  try {
    const host = hosts.find((candidate) => candidate.matches?.(call)) ?? fallback
    const extender = extenderOfCall(call) ?? extenderOfHost()
    return extender ? held(host, extender) : host
  } catch {
    // A getter of the host's threw: nothing can be known of it.
    return fallback
  }
}

function held({ name, afterResponse }: Adapter, extender: ExtenderLike): Adapter {
  return { name, afterResponse, keepAlive: (work) => extender.waitUntil(work) }
}
