/**
 * Finds out which host a call runs on.
 *
 * Two questions are asked, and each is answered for itself: what tells that the response has left, and who keeps the host
 * alive. srvx on Node has both: its tasks start when the response has closed, and its `waitUntil` holds the server open.
 *
 * @module
 */
import type { Adapter, Call } from '../src/adapter.ts'
import { afterReturn } from './_body.ts'
import { afterCompleted, infoOf } from './_completed.ts'
import { extenderOfCall, extenderOfHost } from './_extender.ts'
import { afterOutgoing, outgoingOf } from './_outgoing.ts'

const detached: Adapter = { name: 'detached', afterResponse: afterReturn }

/**
 * The adapter for a call; the default of the option `adapter`. Never throws.
 *
 * @param call the call
 */
export function detect(call: Call): Adapter {
  try {
    const host = whoTells(call)
    const extender = extenderOfCall(call) ?? extenderOfHost()
    if (extender) return { ...host, keepAlive: (work) => extender.waitUntil(work) }
    if (host === detached) warnWhereFrozen()
    return host
  } catch {
    // A getter of the host's threw: nothing can be known of it.
    return detached
  }
}

function whoTells(call: Call): Adapter {
  const outgoing = outgoingOf(call)
  if (outgoing) return { name: 'node', afterResponse: (start) => afterOutgoing(start, outgoing) }
  const info = infoOf(call)
  if (info) return { name: 'deno', afterResponse: (start) => afterCompleted(start, info) }
  return detached
}

let asked = false

function warnWhereFrozen(): void {
  if (asked) return
  asked = true
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  if (!process?.env?.['AWS_LAMBDA_FUNCTION_NAME']) return
  console.warn('background-tasks: AWS Lambda freezes after the response and offers no waitUntil: tasks may not run')
}
