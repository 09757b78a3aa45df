/**
 * Node's own response objects: where to find one, and when it has left.
 *
 * @module
 */
import type { Call, Delivery } from '../src/adapter.ts'
import { ambientOutgoing } from './_ambient.ts'
import { runtimeOf } from './_runtime.ts'
import { afterSharedMacrotask, startWith } from './_shared-hop.ts'

/** The members that are read of an `http.ServerResponse`, `http2.Http2ServerResponse`, or what poses as one. */
export interface OutgoingLike {
  readonly writableFinished?: boolean
  readonly closed?: boolean
  readonly destroyed?: boolean
  readonly socket?: unknown
  readonly req?: { readonly socket?: SocketLike | null } | undefined
  /** Of HTTP/2. */
  readonly stream?: { readonly destroyed?: boolean; readonly rstCode?: number } | undefined
  on?(event: string, listener: () => void): unknown
}

interface SocketLike {
  readonly destroyed?: boolean
  readonly writableEnded?: boolean
  once(event: 'close', listener: () => void): unknown
}

/** Finds it in `env.outgoing` (@hono/node-server), in `res` beside or among the arguments, in srvx's request, or around it all. */
export function outgoingOf({ request, platform }: Call): OutgoingLike | undefined {
  for (let i = 0; i < platform.length; i++) {
    const outgoing = outgoingIn(platform[i])
    if (outgoing) return outgoing
  }
  return (runtimeOf(request)?.node?.res as OutgoingLike | undefined) ?? ambientOutgoing()
}

/** The one that an argument of the host is, or has. */
function outgoingIn(argument: any): OutgoingLike | undefined {
  try {
    if (isOutgoing(argument?.outgoing)) return argument.outgoing
    if (isOutgoing(argument?.res)) return argument.res
    if (isOutgoing(argument)) return argument
  } catch {
    // Some wrap their `env` so that it throws for a name that it does not have.
  }
  return undefined
}

export function isOutgoing(value: unknown): value is OutgoingLike {
  if (typeof value !== 'object' || value === null || !('writableFinished' in value)) return false
  // Of a remote object (Workers RPC) every property is there, and a function.
  return typeof (value as OutgoingLike).socket !== 'function'
}

const queues = new WeakMap<SocketLike, Set<() => void>>()

type Left = (delivery: Delivery) => void

/** The `afterResponse` of Node: the response has closed, flushed to the last byte or given up by its client. */
export function afterOutgoing(start: Left, outgoing: OutgoingLike): void {
  // Most often it will have closed by then, and a listener is the dearest part of a request with a task. Only where a
  // look can tell: what others make may say it by an event alone, and of what is over already Node 22 says later that all
  // of it was flushed.
  if (isOnSocket(outgoing) && !isOver(outgoing)) afterSharedMacrotask(look, start, outgoing, true)
  else whenLeft(outgoing, start, afterTurn)
}

function look(start: Left, outgoing: OutgoingLike): void {
  if (outgoing.closed && isKeptAlive(outgoing)) start(deliveryOf(outgoing))
  else whenLeft(outgoing, start, afterTurn)
}

export function afterTurn(left: Left, delivery: Delivery, outgoing: OutgoingLike): void {
  afterSharedMacrotask(startWith, left, delivery, isKeptAlive(outgoing))
}

/** The end of a socket that is not has yet to leave, in a turn of the event loop after that of its last response. */
function isKeptAlive(outgoing: OutgoingLike): boolean {
  return !outgoing.stream && outgoing.req?.socket?.writableEnded === false
}

/** What is over, and a bare object such as a test client makes, emits nothing more. HTTP/2 says it on the stream only. */
function isOver({ closed, destroyed, stream, socket, req, on }: OutgoingLike): boolean {
  const isDead = closed || destroyed || stream?.destroyed || (socket === null && req?.socket?.destroyed)
  return isDead || typeof on !== 'function'
}

/**
 * Calls `left` once, when the response has been flushed or its client has gone: in the turn of Node's event, or as `call`
 * does it.
 */
export function whenLeft(
  outgoing: OutgoingLike,
  left: Left,
  call: (left: Left, delivery: Delivery, outgoing: OutgoingLike) => void = (left, delivery) => left(delivery),
): void {
  if (isOver(outgoing)) {
    call(left, deliveryOf(outgoing), outgoing)
    return
  }
  // A pipelined response that waits for its socket hears nothing of that one's death (before Node 24).
  const queue = outgoing.socket === null ? queueOf(outgoing.req?.socket) : undefined
  let over = false
  const close = (finished?: typeof FINISHED): void => {
    if (over) return
    over = true
    queue?.delete(close)
    call(left, finished === FINISHED ? 'flushed' : deliveryOf(outgoing), outgoing)
  }
  queue?.add(close)
  // Not `once`, which would wrap it: `over` says the same.
  outgoing.on?.('close', close)
  if (!outgoing.stream && !isOnSocket(outgoing)) outgoing.on?.('finish', () => close(FINISHED))
}

const FINISHED = Symbol('finished')

/** Of Node's HTTP/1. What bridges and test tools make may say no more than that it has finished, or call that closed. */
function isOnSocket({ stream, socket, req }: OutgoingLike): boolean {
  if (stream) return false
  const connection = socket ?? req?.socket
  return typeof connection === 'object' && connection !== null && 'bytesRead' in connection
}

/** The waiting responses of a socket, which share one listener: an eleventh would print a warning. */
function queueOf(socket: SocketLike | null | undefined): Set<() => void> | undefined {
  if (!socket) return undefined
  let queue = queues.get(socket)
  if (!queue) {
    queues.set(socket, (queue = new Set()))
    socket.once('close', () => {
      for (const close of queue as Set<() => void>) close()
    })
  }
  return queue
}

// An aborted HTTP/2 stream calls itself finished all the same: there the reset code tells.
function deliveryOf({ writableFinished, stream }: OutgoingLike): Delivery {
  if (writableFinished === undefined) return 'returned'
  return writableFinished && !stream?.rstCode ? 'flushed' : 'aborted'
}
