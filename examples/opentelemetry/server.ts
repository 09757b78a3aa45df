/**
 * A sign-up with traces: the span of its task is printed with the request's span that it is linked to. An exporter of yours
 * takes the place of `PrintingExporter`, and an instrumentation of Hono that of the middleware.
 *
 *     npm install && npm start
 *     curl localhost:3000/signup --json '{"email":"ada@example.com"}'
 */
import { setTimeout } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { context, SpanKind, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { type ReadableSpan, SimpleSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { openTelemetry } from 'background-tasks/observers/opentelemetry'
import { Hono } from 'hono'

class PrintingExporter implements SpanExporter {
  export(spans: ReadableSpan[], done: Parameters<SpanExporter['export']>[1]): void {
    for (const span of spans) {
      const linked = span.links.map((link) => ` linked to ${link.context.spanId}`).join('')
      console.log(`span ${span.spanContext().spanId} '${span.name}'${linked}`)
    }
    done({ code: 0 })
  }

  async shutdown(): Promise<void> {}
}

const exporter = new PrintingExporter()
const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
trace.setGlobalTracerProvider(tracerProvider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

const tracer = trace.getTracer('server')
const background = backgroundTasks({ observer: openTelemetry() })
const app = new Hono()
  .use((c, next) =>
    tracer.startActiveSpan(`${c.req.method} ${c.req.path}`, { kind: SpanKind.SERVER }, async (span) => {
      await next()
      span.end()
    }),
  )
  .use(background)

app.post('/signup', async (c) => {
  const { email } = await c.req.json<{ email: string }>()
  c.var.tasks.add(sendWelcomeEmail, email)
  return c.json({ email }, 201)
})

async function sendWelcomeEmail(email: string): Promise<void> {
  await setTimeout(100) // Here your mail provider is called.
  console.log(`sent a welcome e-mail to ${email}`)
}

const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: app.fetch, port }, (address) => console.log(`http://localhost:${address.port}`))

gracefulShutdown(
  server,
  {
    async drain(options) {
      const report = await background.drain(options)
      // Not beside the tasks, whose spans would come too late.
      await tracerProvider.shutdown()
      return report
    },
  },
  { timeoutMs: 8000 },
)
