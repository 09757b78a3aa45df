/**
 * Spans and metrics of tasks, for OpenTelemetry.
 *
 * @module
 */
import {
  type Context,
  isSpanContextValid,
  type MeterProvider,
  metrics,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import type { Observer, TaskEvent } from '../../src/observer.ts'
import { checked, type Rules } from '../../src/rules.ts'
import { isFunction, show } from '../../src/values.ts'
import { activeTrace, contextOf } from './_trace-context.ts'

/** Options of {@link openTelemetry}. */
export interface OpenTelemetryOptions {
  /**
   * Makes the spans.
   *
   * @default the global one
   */
  readonly tracerProvider?: TracerProvider | undefined
  /**
   * Makes the metrics.
   *
   * @default the global one, as it is at the first event
   */
  readonly meterProvider?: MeterProvider | undefined
}

/**
 * Makes a span and metrics of every task.
 *
 * The span, `task <name>`, lasts from the first start of the task to its end, waits between attempts included. It is a
 * child of the span that was active at `add`, which is the request's, and linked to it. It has `error.type`, the status
 * `ERROR` and the exception where the task failed, and an event `retrying` for every attempt that another one follows. A
 * task that ended without having started has a span of no length, so that its request shows where it went.
 *
 * A task that goes to a queue has its span in the worker, of kind CONSUMER, and where the worker has this observer as well
 * it is in the trace of the request: the span context at `add` travels with the task.
 *
 * An observer cannot make that span the active one in the task: spans that the task starts are children of the request's
 * span, beside the task's own. They have the same trace.
 *
 * Metrics, by `background_tasks.task.name`, and at the end also by `background_tasks.task.outcome` and `error.type`:
 *
 * - `background_tasks.pending_tasks`: tasks added and not ended, without those in a queue, which its engine counts;
 * - `background_tasks.ended_tasks`: tasks ended;
 * - `background_tasks.task.duration`: how long a task took that had started, in seconds, the same as its span.
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { openTelemetry } from 'background-tasks/observers/opentelemetry'
 *
 * export const handler = withBackgroundTasks(
 *   (request, tasks) => {
 *     tasks.add(console.log, 'after the response:', request.url)
 *     return new Response('at once')
 *   },
 *   { observer: openTelemetry() },
 * )
 * ```
 *
 * @param options by default what is registered with `@opentelemetry/api` is used
 * @returns an observer, which may serve several wrappers
 * @throws {TypeError} an option is not what it must be
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): Observer {
  const providers = checked<OpenTelemetryOptions>(rules, options, 'create the OpenTelemetry observer')
  const unended = new Map<string, Unended>()
  let made: Instruments | undefined
  const observe = (event: TaskEvent): void => {
    // Not before the first event: unlike tracers, meters of an SDK that is registered later do nothing.
    const instruments = (made ??= instrumentsOf(providers))
    const { type, task, queue } = event
    // It may end in another process.
    if (type === 'added' && queue) return
    let state = unended.get(task.id)
    if (!state || type === 'added') {
      state = { context: contextOf(event), span: undefined, startedAt: 0 }
      unended.set(task.id, state)
    }
    if (type === 'added') instruments.pending.add(1, { [NAME]: task.name })
    else if (type === 'retrying') addRetry(event, state)
    else if (type !== 'started') {
      unended.delete(task.id)
      end(event, state, instruments)
    } else if (!state.span) {
      state.span = startSpan(instruments.tracer, event, state.context)
      state.startedAt = performance.now()
    }
  }
  return Object.assign(observe, { trace: activeTrace })
}

// What the semantic conventions have no name for. Not `messaging.*`, which is for brokers outside of the process
// (https://github.com/open-telemetry/semantic-conventions/issues/1963), and not `code.function.name`, as the name of a
// defined task is no function's.
const ID = 'background_tasks.task.id'
const NAME = 'background_tasks.task.name'
const ATTEMPT = 'background_tasks.task.attempt'
const RETRIES = 'background_tasks.task.retry_count'
const OUTCOME = 'background_tasks.task.outcome'
const REASON = 'background_tasks.task.reason'
const QUEUE = 'background_tasks.queue'
const DELIVERY = 'background_tasks.delivery'
const ERROR_TYPE = 'error.type'

/** A task between `added` and its end. */
interface Unended {
  /** Of the `add` call. */
  readonly context: Context
  span: Span | undefined
  startedAt: number
}

const rules: Rules = {
  tracerProvider: [undefined, 'a TracerProvider', (value) => isFunction(value?.getTracer)],
  meterProvider: [undefined, 'a MeterProvider', (value) => isFunction(value?.getMeter)],
}

type Instruments = ReturnType<typeof instrumentsOf>

function instrumentsOf({ tracerProvider, meterProvider }: OpenTelemetryOptions) {
  const meter = (meterProvider ?? metrics).getMeter('background-tasks')
  return {
    tracer: (tracerProvider ?? trace).getTracer('background-tasks'),
    pending: meter.createUpDownCounter('background_tasks.pending_tasks', {
      description: 'Tasks added and not ended.',
      unit: '{task}',
    }),
    ended: meter.createCounter('background_tasks.ended_tasks', { description: 'Tasks ended.', unit: '{task}' }),
    duration: meter.createHistogram('background_tasks.task.duration', {
      description: 'How long tasks took, from their first start to their end.',
      unit: 's',
      // Those of the conventions for durations in seconds, and two more, as tasks may take longer than requests.
      advice: {
        explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60],
      },
    }),
  }
}

function startSpan(tracer: Tracer, { task: { id, name }, queue }: TaskEvent, added: Context): Span {
  const origin = trace.getSpanContext(added)
  const options = {
    // Without a queue nothing was sent: both of its ends are in this process.
    kind: queue ? SpanKind.CONSUMER : SpanKind.INTERNAL,
    attributes: { [ID]: id, [NAME]: name, ...(queue && { [QUEUE]: queue }) },
    // Linked, as the conventions have it for work that nobody waits for. And its child, as they allow: the spans of the
    // task itself are in that trace, and one decision of the sampler holds for both.
    links: origin && isSpanContextValid(origin) ? [{ context: origin }] : [],
  }
  return tracer.startSpan(`task ${name}`, options, added)
}

function addRetry({ attempt, error }: TaskEvent, { span }: Unended): void {
  const { type, message } = described(error)
  // No exception of the span, as the conventions have only those that were not handled.
  span?.addEvent('retrying', { [ATTEMPT]: attempt, [ERROR_TYPE]: type, 'exception.message': message })
}

function end(event: TaskEvent, state: Unended, instruments: Instruments): void {
  const { type, task, attempt = 0, error, reason, delivery, queue } = event
  const failed = type === 'failed' && described(error)
  const failure = type === 'abandoned' ? { type, message: reason ?? type } : failed
  const measured = { [NAME]: task.name, [OUTCOME]: type, ...(failure && { [ERROR_TYPE]: failure.type }) }
  if (!queue) instruments.pending.add(-1, { [NAME]: task.name })
  instruments.ended.add(1, measured)
  // Not of what never started, which would lower the percentiles.
  if (state.span) instruments.duration.record((performance.now() - state.startedAt) / 1000, measured)

  const span = state.span ?? startSpan(instruments.tracer, event, state.context)
  span.setAttributes(measured)
  if (attempt > 0) span.setAttribute(ATTEMPT, attempt)
  if (attempt > 1) span.setAttribute(RETRIES, attempt - 1)
  if (reason) span.setAttribute(REASON, reason)
  if (delivery) span.setAttribute(DELIVERY, delivery)
  if (failed) span.recordException(error instanceof Error ? error : failed.message)
  if (failure) span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message })
  span.end()
}

/** A task may throw anything. */
function described(error: unknown): { readonly type: string; readonly message: string } {
  if (error instanceof Error) return { type: error.name, message: error.message }
  return { type: '_OTHER', message: typeof error === 'string' ? error : show(error) }
}
