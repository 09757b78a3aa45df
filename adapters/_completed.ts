/**
 * Deno's own word on a response: where to find it, and when it holds.
 *
 * @module
 */
import type { Call, Delivery } from '../src/adapter.ts'
import { runtimeOf } from './_runtime.ts'
import { afterSharedMacrotask, startWith } from './_shared-hop.ts'

/** The part of `Deno.ServeHandlerInfo` that is used. */
export interface ServeHandlerInfoLike {
  readonly completed: Promise<void>
  readonly remoteAddr: unknown
}

/** Finds it among the arguments, or in srvx's request. */
export function infoOf({ request, platform }: Call): ServeHandlerInfoLike | undefined {
  const info = runtimeOf(request)?.deno?.info
  return isInfo(info) ? info : platform.find(isInfo)
}

// By `in`: a read would make the promise of `completed`.
function isInfo(value: unknown): value is ServeHandlerInfoLike {
  return typeof value === 'object' && value !== null && 'completed' in value && 'remoteAddr' in value
}

/** The `afterResponse` of Deno. One more hop, as `completed` settles before the bytes are out. */
export function afterCompleted(
  start: (delivery: Delivery) => void,
  info: ServeHandlerInfoLike,
  response: Response | undefined,
): void {
  const settled = (): void => afterSharedMacrotask(startWith, start, 'flushed')
  // Asked for when the response is over, `completed` never settles.
  if (!response && isOver(info)) settled()
  else info.completed.then(settled, settled)
}

/** Then Deno does not say any more who the client was. */
function isOver(info: ServeHandlerInfoLike): boolean {
  try {
    return !info.remoteAddr
  } catch {
    return true
  }
}
