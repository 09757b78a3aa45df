/**
 * Finds out which host a call runs on.
 *
 * Two questions are asked, and each is answered for itself: what tells that the response has left, and who keeps the host
 * alive. srvx on Node has both: its tasks start when the response has closed, and its `waitUntil` holds the server open.
 *
 * @module
 */
import { type Adapter, type Call, isDeno } from '../src/adapter.ts'
import { afterReturn } from './_body.ts'
import { afterCompleted, infoOf, type ServeHandlerInfoLike } from './_completed.ts'
import { type ExtenderLike, extenderOfCall, extenderOfHost } from './_extender.ts'
import { invocationOf, lambdaContextOf, MARGIN_MS } from './_lambda.ts'
import { afterOutgoing, type OutgoingLike, outgoingOf } from './_outgoing.ts'

const node: Adapter = {
  name: 'node',
  afterResponse: (start, call) => afterOutgoing(start, outgoingOf(call) as OutgoingLike),
}
const deno: Adapter = {
  name: 'deno',
  afterResponse: (start, call, response) => afterCompleted(start, infoOf(call) as ServeHandlerInfoLike, response),
}
const detached: Adapter = { name: 'detached', afterResponse: afterReturn }
const lambda: Adapter = {
  name: 'lambda',
  keepAlive: (work, call) => invocationOf(call).hold(work, call.tasks, MARGIN_MS),
  afterResponse: (start, call, response) => invocationOf(call).afterResponse(start, call, response),
}

/**
 * The adapter for a call; the default of the option `adapter`. Never throws.
 *
 * @param call the call
 */
export function detect(call: Call): Adapter {
  const host = whoTells(call)
  const extender = whoExtends(call)
  if (extender) return extended(host, extender)
  return (isLambda ??= onLambda()) ? whereFrozen(call, host) : host
}

function extended(host: Adapter, extender: ExtenderLike): Adapter {
  return { ...host, keepAlive: (work) => extender.waitUntil(work) }
}

// A getter of the host's that throws says nothing: the other question is asked all the same.
function whoTells(call: Call): Adapter {
  try {
    return outgoingOf(call) ? node : infoOf(call) ? deno : detached
  } catch {
    return detached
  }
}

function whoExtends(call: Call): ExtenderLike | undefined {
  try {
    return extenderOfCall(call) ?? extenderOfHost()
  } catch {}
}

let isLambda: boolean | undefined
let isWarned = false

// Asked once: a variable of the environment is dear. Not on Deno, which asks its user for permission to read it.
function onLambda(): boolean {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  return !isDeno && Boolean(process?.env?.['AWS_LAMBDA_FUNCTION_NAME'])
}

function whereFrozen(call: Call, host: Adapter): Adapter {
  try {
    if (lambdaContextOf(call)) return lambda
  } catch {}
  if (!isWarned) console.warn('background-tasks: AWS Lambda freezes after the response: tasks may not run')
  isWarned = true
  return host
}
