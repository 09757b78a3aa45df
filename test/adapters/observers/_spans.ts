/** A request with two tasks under the real SDK, in any runtime: what its exporter was given. */
import { context, type Span, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { openTelemetry } from '../../../adapters/observers/opentelemetry.ts'
import { withBackgroundTasks } from '../../../src/index.ts'

export async function main(): Promise<unknown> {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const exporter = new InMemorySpanExporter()
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
  const handler = withBackgroundTasks(
    (_request, tasks) => {
      tasks.add(function good() {})
      tasks.add(async function bad() {
        throw new RangeError('no')
      })
      return new Response('ok')
    },
    { observer: openTelemetry({ tracerProvider }), onError: () => {} },
  )
  const request: Span = tracerProvider.getTracer('test').startSpan('GET /')
  await context.with(trace.setSpan(context.active(), request), () => handler(new Request('http://localhost/')))
  request.end()
  await handler.drain()
  const { spanId } = request.spanContext()
  return exporter.getFinishedSpans().map(({ name, links, attributes, parentSpanContext }) => ({
    name,
    linked: links.some(({ context }) => context.spanId === spanId),
    child: parentSpanContext?.spanId === spanId,
    outcome: attributes['background_tasks.task.outcome'],
    error: attributes['error.type'],
  }))
}
