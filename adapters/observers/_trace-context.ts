/**
 * Where a task was added, on its way to another process.
 * https://www.w3.org/TR/trace-context/#traceparent-header
 *
 * @module
 */
import { type Context, context, createTraceState, isSpanContextValid, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import type { TaskEvent, TraceContext } from '../../src/observer.ts'

/** The span that is active, in the form of W3C Trace Context. */
export function activeTrace(): TraceContext | undefined {
  const active = trace.getSpanContext(context.active())
  if (!active || !isSpanContextValid(active)) return undefined
  const { traceId, spanId, traceFlags, traceState } = active
  const traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
  const tracestate = traceState?.serialize()
  return tracestate ? { traceparent, tracestate } : { traceparent }
}

/** Of the `add` call: in this process, or as it came with the task. */
export function contextOf({ trace: origin }: TaskEvent): Context {
  const [, traceId, spanId, flags] =
    /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})/.exec(origin?.traceparent ?? '') ?? []
  if (!origin || !traceId || !spanId || !flags) return context.active()
  const traceFlags = Number.parseInt(flags, 16)
  const traceState = createTraceState(origin.tracestate)
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, traceState, isRemote: true })
}
