import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  context,
  createContextKey,
  createTraceState,
  metrics,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  AlwaysOffSampler,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openTelemetry } from '../../../adapters/observers/opentelemetry.ts'
import { memory } from '../../../adapters/queues/memory.ts'
import { defineTask, type Observer, type Task, type TaskQueue, type WrappedHandler } from '../../../src/index.ts'
import { until } from '../../_server.ts'
import { deferred, ok, turn, wrapped } from '../../_wrapped.ts'
import { runOn, runtimes } from './_everywhere.ts'

const exporter = new InMemorySpanExporter()
const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
let meterProvider: MeterProvider
let observer: Observer

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
})

beforeEach(() => {
  // Exports when it is asked to.
  const reader = new PeriodicExportingMetricReader({
    exporter: metricExporter,
    exportIntervalMillis: 3_600_000,
    exportTimeoutMillis: 10_000,
  })
  meterProvider = new MeterProvider({ readers: [reader] })
  observer = openTelemetry({ tracerProvider, meterProvider })
})

afterEach(async () => {
  exporter.reset()
  await meterProvider.forceFlush()
  metricExporter.reset()
})

afterAll(async () => {
  await tracerProvider.shutdown()
  context.disable()
})

/** Calls a handler as an instrumented server does; gives the span of the request. */
async function request(handler: WrappedHandler<any[]>, provider: TracerProvider = tracerProvider): Promise<Span> {
  const span = provider.getTracer('server').startSpan('GET /', { kind: SpanKind.SERVER })
  try {
    await context.with(trace.setSpan(context.active(), span), async () => handler(new Request('http://localhost/')))
  } finally {
    span.end()
  }
  return span
}

/** The ended spans of tasks, in the order of their ends. */
function taskSpans(): ReadableSpan[] {
  return exporter.getFinishedSpans().filter(({ name }) => name.startsWith('task '))
}

function spanOf(name: string): ReadableSpan {
  const [span, ...others] = taskSpans().filter((each) => each.name === `task ${name}`)
  expect(others).toEqual([])
  if (!span) throw new Error(`no span of the task '${name}': ${taskSpans().map((each) => each.name)}`)
  return span
}

interface Point {
  readonly attributes: Record<string, unknown>
  readonly value: any
}

/** What a metric says now, one point for each set of attributes. */
async function points(name: string): Promise<Point[]> {
  metricExporter.reset()
  await meterProvider.forceFlush()
  const scopes = metricExporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics)
  return scopes
    .flatMap((scope) => scope.metrics.filter(({ descriptor }) => descriptor.name === name))
    .flatMap(({ dataPoints }) => dataPoints.map(({ attributes, value }) => ({ attributes, value })))
}

const pending = (): Promise<Point[]> => points('background_tasks.pending_tasks')
const ended = (): Promise<Point[]> => points('background_tasks.ended_tasks')
const durations = (): Promise<Point[]> => points('background_tasks.task.duration')

function fails(): void {
  throw new RangeError('out of paper')
}

function succeeds(): void {}

function flaky(attempts: number, failing: number) {
  return defineTask({
    name: 'flaky',
    retry: { attempts, delayMs: 0 },
    run: (_input: undefined, { attempt }) => {
      if (attempt <= failing) throw new RangeError(`attempt ${attempt}`)
    },
  })
}

/** Adds one task in one request, and waits for its end. */
async function runOne(add: Parameters<typeof wrapped>[0], options?: Parameters<typeof wrapped>[1]): Promise<Span> {
  const { handler } = wrapped(
    (tasks) => {
      add(tasks)
      return ok()
    },
    { observer, ...options },
  )
  const span = await request(handler)
  await handler.drain()
  return span
}

describe('the span of a task', () => {
  test('is an internal child of the span that was active at `add`, and linked to it', async () => {
    const requestSpan = await runOne((tasks) => tasks.add(succeeds))
    const span = spanOf('succeeds')
    expect(span.kind).toBe(SpanKind.INTERNAL)
    expect(span.links.map(({ context }) => context)).toEqual([requestSpan.spanContext()])
    expect(span.parentSpanContext?.spanId).toBe(requestSpan.spanContext().spanId)
    expect(span.spanContext().traceId).toBe(requestSpan.spanContext().traceId)
  })

  test('says which task it was, at which attempt, how it ended and how the response did', async () => {
    let id: string | undefined
    await runOne((tasks) => (id = tasks.add(flaky(1, 0))))
    const span = spanOf('flaky')
    expect(span.attributes).toEqual({
      'background_tasks.task.id': id,
      'background_tasks.task.name': 'flaky',
      'background_tasks.task.attempt': 1,
      'background_tasks.task.outcome': 'succeeded',
      'background_tasks.delivery': 'returned',
    })
    expect(span.status).toEqual({ code: SpanStatusCode.UNSET })
    expect(span.events).toEqual([])
  })

  test('lasts from the start of the task to its end', async () => {
    const log: string[] = []
    const logging = {
      onStart: ({ name }: { name: string }) => void log.push(`start of ${name}`),
      onEnd: ({ name }: { name: string }) => void log.push(`end of ${name}`),
      forceFlush: async () => {},
      shutdown: async () => {},
    }
    observer = openTelemetry({ tracerProvider: new TracerProvider({ spanProcessors: [logging] }), meterProvider })
    await runOne((tasks) => {
      tasks.add(async function slow() {
        await turn()
        log.push('slow is done')
      })
      tasks.add(succeeds)
      log.push('added')
    })
    expect(log).toEqual([
      'added',
      'start of task slow',
      'slow is done',
      'end of task slow',
      'start of task succeeds',
      'end of task succeeds',
    ])
  })

  test('has the status ERROR, the class of the error and the exception when the task failed', async () => {
    await runOne((tasks) => tasks.add(fails))
    const span = spanOf('fails')
    expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message: 'out of paper' })
    expect(span.attributes).toMatchObject({ 'error.type': 'RangeError', 'background_tasks.task.outcome': 'failed' })
    expect(span.events).toMatchObject([
      {
        name: 'exception',
        attributes: {
          'exception.type': 'RangeError',
          'exception.message': 'out of paper',
          'exception.stacktrace': expect.stringContaining('at fails'),
        },
      },
    ])
  })

  test.each([
    ['a string', 'out of ink', 'out of ink'],
    ['undefined', undefined, 'undefined'],
    ['an object without a prototype', Object.create(null), '[object Object]'],
  ])('records %s that a task threw', async (_what, thrown, message) => {
    await runOne((tasks) =>
      tasks.add(function throws() {
        throw thrown
      }),
    )
    const span = spanOf('throws')
    expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message })
    expect(span.attributes['error.type']).toBe('_OTHER')
    expect(span.events.map(({ attributes }) => attributes)).toEqual([{ 'exception.message': message }])
  })

  test('has an event for every attempt that another one followed, which is no exception', async () => {
    await runOne((tasks) => tasks.add(flaky(3, 2)))
    const span = spanOf('flaky')
    expect(span.status.code).toBe(SpanStatusCode.UNSET)
    expect(span.attributes).toMatchObject({
      'background_tasks.task.attempt': 3,
      'background_tasks.task.retry_count': 2,
      'background_tasks.task.outcome': 'succeeded',
    })
    expect(span.attributes).not.toHaveProperty('error.type')
    expect(span.events.map(({ name, attributes }) => [name, attributes])).toEqual(
      [1, 2].map((attempt) => [
        'retrying',
        {
          'background_tasks.task.attempt': attempt,
          'error.type': 'RangeError',
          'exception.message': `attempt ${attempt}`,
        },
      ]),
    )
  })

  test('has the last exception when the retries are used up', async () => {
    await runOne((tasks) => tasks.add(flaky(2, 2)))
    const span = spanOf('flaky')
    expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message: 'attempt 2' })
    expect(span.attributes['background_tasks.task.retry_count']).toBe(1)
    expect(span.events.map(({ name }) => name)).toEqual(['retrying', 'exception'])
  })

  test('names the time limit that a task exceeded', async () => {
    const slow = defineTask({ name: 'slow', timeoutMs: 5, run: () => new Promise(() => {}) })
    await runOne((tasks) => tasks.add(slow))
    const span = spanOf('slow')
    expect(span.attributes['error.type']).toBe('TaskTimeoutError')
    expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message: "Task 'slow' took longer than 5 ms" })
  })

  test('is there also for a task that was discarded: without a length, and without an error', async () => {
    const { handler } = wrapped(
      (tasks) => {
        tasks.add(succeeds)
        throw new Error('handler')
      },
      { observer },
    )
    await expect(request(handler)).rejects.toThrow('handler')
    const span = spanOf('succeeds')
    expect(span.attributes).toEqual({
      'background_tasks.task.id': expect.any(String),
      'background_tasks.task.name': 'succeeds',
      'background_tasks.task.outcome': 'discarded',
      'background_tasks.task.reason': 'the handler threw',
    })
    expect(span.status.code).toBe(SpanStatusCode.UNSET)
    expect(span.links).toHaveLength(1)
    expect(span.duration[0]).toBe(0)
  })

  test('has the status ERROR and the reason when a drain abandoned the task, started or not', async () => {
    const started = deferred()
    const { handler } = wrapped(
      (tasks) => {
        tasks.add(function hangs() {
          started.resolve()
          return new Promise(() => {})
        })
        tasks.add(succeeds)
        return ok()
      },
      { observer },
    )
    const requestSpan = await request(handler)
    await started.promise
    await handler.drain({ timeoutMs: 0 })
    for (const name of ['hangs', 'succeeds']) {
      const span = spanOf(name)
      expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message: 'drain reached its deadline' })
      expect(span.events).toEqual([])
      expect(span.attributes).toMatchObject({
        'error.type': 'abandoned',
        'background_tasks.task.outcome': 'abandoned',
        'background_tasks.task.reason': 'drain reached its deadline',
      })
      // Its own request's, though the drain is in nobody's context.
      const { spanId } = requestSpan.spanContext()
      expect(span.links.map(({ context }) => context.spanId)).toEqual([spanId])
      expect(span.parentSpanContext?.spanId).toBe(spanId)
    }
    expect(spanOf('hangs').attributes['background_tasks.task.attempt']).toBe(1)
    expect(spanOf('succeeds').attributes).not.toHaveProperty('background_tasks.task.attempt')
  })

  test('has neither parent nor link where no span was active', async () => {
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(succeeds)
        return ok()
      },
      { observer },
    )
    await call()
    await handler.drain()
    expect(spanOf('succeeds').links).toEqual([])
    expect(spanOf('succeeds').parentSpanContext).toBe(undefined)
  })

  test('is sampled as its request is', async () => {
    const unsampled = new TracerProvider({
      sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }),
      spanProcessors: [new SimpleSpanProcessor({ exporter })],
    })
    observer = openTelemetry({ tracerProvider: unsampled, meterProvider })
    const { handler } = wrapped(
      (tasks) => {
        tasks.add(succeeds)
        return ok()
      },
      { observer },
    )
    await request(handler, unsampled)
    await handler.drain()
    expect(taskSpans()).toEqual([])
    await request(handler, tracerProvider)
    await handler.drain()
    expect(taskSpans()).toHaveLength(1)
  })

  test('is not the active one in the task, whose own spans are beside it, in the same trace', async () => {
    const requestSpan = await runOne((tasks) =>
      tasks.add(function sends() {
        tracerProvider.getTracer('client').startSpan('POST').end()
      }),
    )
    const post = exporter.getFinishedSpans().find(({ name }) => name === 'POST')
    expect(post?.parentSpanContext?.spanId).toBe(requestSpan.spanContext().spanId)
    expect(post?.spanContext().traceId).toBe(spanOf('sends').spanContext().traceId)
  })
})

describe('metrics', () => {
  test('durations are by task and outcome, and not of what never started', async () => {
    await runOne((tasks) => {
      tasks.add(succeeds)
      tasks.add(succeeds)
      tasks.add(fails)
    })
    await runOne((tasks) => {
      tasks.add(succeeds)
      tasks.clear()
    })
    const [succeeded, failed, ...others] = await durations()
    expect(others).toEqual([])
    expect(succeeded?.attributes).toEqual({
      'background_tasks.task.name': 'succeeds',
      'background_tasks.task.outcome': 'succeeded',
    })
    expect(failed?.attributes).toEqual({
      'background_tasks.task.name': 'fails',
      'background_tasks.task.outcome': 'failed',
      'error.type': 'RangeError',
    })
    const { count, buckets }: Histogram = succeeded!.value
    expect(count).toBe(2)
    expect(buckets.boundaries).toEqual([
      0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60,
    ])
  })

  test('a duration is in seconds, and covers all attempts and the waits between them', async () => {
    const task = defineTask({
      name: 'slow',
      retry: { attempts: 2, delayMs: 300, jitter: 0 },
      run: (_input: undefined, { attempt }) => {
        if (attempt === 1) throw new Error('again')
      },
    })
    await runOne((tasks) => tasks.add(task))
    const [point] = await durations()
    expect(point?.value.count).toBe(1)
    expect(point?.value.sum).toBeGreaterThan(0.29)
    // In milliseconds it would be 300 or more.
    expect(point?.value.sum).toBeLessThan(100)
  })

  test('pending tasks are counted up at `add` and down at any end', async () => {
    const hang = deferred()
    const { handler } = wrapped(
      (tasks) => {
        tasks.add(() => hang.promise)
        tasks.add(succeeds)
        tasks.add(fails)
        tasks.add(flaky(2, 1))
        return ok()
      },
      { observer },
    )
    await request(handler)
    const attributes = ['anonymous', 'succeeds', 'fails', 'flaky'].map((name) => ({
      'background_tasks.task.name': name,
    }))
    expect(await pending()).toEqual(attributes.map((each) => ({ attributes: each, value: 1 })))
    hang.resolve()
    await handler.drain()
    await request(handler)
    await handler.drain({ timeoutMs: 0 })
    await runOne((tasks) => {
      tasks.add(succeeds)
      tasks.clear()
    })
    expect(await pending()).toEqual(attributes.map((each) => ({ attributes: each, value: 0 })))
  })

  test('ended tasks are counted by task, outcome and error, those that never started too', async () => {
    await runOne((tasks) => {
      tasks.add(succeeds)
      tasks.add(succeeds)
      tasks.add(fails)
    })
    await runOne((tasks) => {
      tasks.add(succeeds)
      tasks.clear()
    })
    const { handler } = wrapped(
      (tasks) => {
        tasks.add(succeeds)
        return ok()
      },
      { observer },
    )
    await request(handler)
    const drained = new AbortController()
    drained.abort()
    await handler.drain({ signal: drained.signal })
    const shown = (await ended()).map(({ attributes, value }) => [...Object.values(attributes), value].join(' '))
    expect(shown).toEqual([
      'succeeds succeeded 2',
      'fails failed RangeError 1',
      'succeeds discarded 1',
      'succeeds abandoned abandoned 1',
    ])
  })
})

test('one observer serves several wrappers, with 10,000 tasks of the same name, and confuses none', async () => {
  const count = 100
  const one = wrapped(addMany, { observer })
  const other = wrapped(addMany, { observer, concurrency: 10 })
  function addMany(tasks: Parameters<Parameters<typeof wrapped>[0]>[0]): Response {
    for (let i = 0; i < count / 2; i++) {
      tasks.add(succeeds)
      tasks.add(turn)
    }
    return ok()
  }
  const requests = await Promise.all(
    Array.from({ length: 100 }, (_, index) => request(index % 2 ? one.handler : other.handler)),
  )
  await Promise.all([one.handler.drain(), other.handler.drain()])
  const spans = taskSpans()
  expect(spans).toHaveLength(10_000)
  expect(new Set(spans.map(({ attributes }) => attributes['background_tasks.task.id'])).size).toBe(10_000)
  const byRequest = Map.groupBy(spans, ({ links }) => links[0]?.context.spanId)
  expect(requests.map((span) => byRequest.get(span.spanContext().spanId)?.length)).toEqual(requests.map(() => count))
  expect((await pending()).map(({ value }) => value)).toEqual([0, 0])
})

test('two tasks with the same id at once cost no span and no count', async () => {
  await runOne((tasks) => {
    tasks.add(flaky(1, 0), undefined, { id: 'same' })
    tasks.add(flaky(1, 0), undefined, { id: 'same' })
  })
  expect(taskSpans().map(({ attributes }) => attributes['background_tasks.task.id'])).toEqual(['same', 'same'])
  expect((await pending()).map(({ value }) => value)).toEqual([0])
  expect((await durations()).map(({ value }) => value.count)).toEqual([2])
})

test('nothing of a task is kept once it has ended, however it did', async () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const key = createContextKey('kept')
  // Nothing is recorded, so that nobody else keeps a span.
  const silent = openTelemetry({ tracerProvider: new TracerProvider({ sampler: new AlwaysOffSampler() }) })
  const { handler } = wrapped(
    (tasks) => {
      tasks.add(succeeds)
      tasks.add(fails)
      tasks.add(flaky(2, 2))
      tasks.add(() => new Promise(() => {}))
      tasks.add(succeeds)
      return ok()
    },
    { observer: silent },
  )
  const references: WeakRef<object>[] = []
  const left = (): WeakRef<object>[] => references.filter((each) => each.deref())
  const visit = (): unknown => {
    const kept = {}
    references.push(new WeakRef(kept))
    return context.with(context.active().setValue(key, kept), () => handler(new Request('http://localhost/')))
  }
  for (let i = 0; i < 20; i++) await visit()
  await handler.drain({ timeoutMs: 50 })
  for (let tries = 0; tries < 20 && left().length > 0; tries++) {
    // What was looked at stays until the turn is over; and the observer must be in use all the time.
    await turn()
    collect()
    await handler(new Request('http://localhost/'))
    await handler.drain({ timeoutMs: 0 })
  }
  expect(left()).toEqual([])
})

describe('a task that goes to a queue', () => {
  const failing = defineTask({
    name: 'failing',
    run: (_input: string) => {
      throw new RangeError('no')
    },
  })
  const handlerOf = (queue: TaskQueue, task: Task<string>, more: object = {}) =>
    wrapped(
      async (tasks) => {
        tasks.add(task, 'x')
        return ok()
      },
      { observer, queue, ...more },
    ).handler

  test('has one trace from the request to its run in the worker, where its span is a CONSUMER', async () => {
    const queue = memory()
    const parent = await request(handlerOf(queue, failing))
    expect(taskSpans()).toEqual([])
    // As in another process: an observer of its own, outside of the request.
    const far = openTelemetry({ tracerProvider, meterProvider })
    const worker = await queue.work([failing], { observer: far, onError: () => {} })
    await until(() => taskSpans().length === 1, 'the span')
    await worker.close()
    const span = spanOf('failing')
    const { traceId, spanId } = parent.spanContext()
    expect(span.kind).toBe(SpanKind.CONSUMER)
    expect(span.spanContext().traceId).toBe(traceId)
    expect(span.parentSpanContext).toMatchObject({ traceId, spanId, isRemote: true })
    expect(span.links.map((link) => link.context.spanId)).toEqual([spanId])
    expect(span.attributes).toMatchObject({ 'background_tasks.queue': 'memory', 'error.type': 'RangeError' })
  })

  test('takes the flags and the state of the trace along, as other tracers set them', () => {
    const { trace: active } = openTelemetry({ tracerProvider, meterProvider })
    const origin = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 0x1b }
    const traceState = createTraceState('vendor=1,other=2')
    const within = (spanContext: SpanContext) =>
      context.with(trace.setSpanContext(context.active(), spanContext), () => active?.())
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1b'
    expect(within({ ...origin, traceState })).toEqual({ traceparent, tracestate: 'vendor=1,other=2' })
    expect(within(origin)).toEqual({ traceparent })
    expect(within({ ...origin, traceFlags: 1 })?.traceparent).toMatch(/-01$/)
    expect(within({ ...origin, spanId: '0000000000000000' })).toBe(undefined)
    expect(active?.()).toBe(undefined)
  })

  test('continues the trace of its enqueuer with its flags and its state', async () => {
    const queue = memory()
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1b'
    await queue.enqueue(failing, 'x', { trace: { traceparent, tracestate: 'vendor=1' } })
    const worker = await queue.work([failing], { observer, onError: () => {} })
    await until(() => taskSpans().length === 1, 'the span')
    await worker.close()
    const parent = spanOf('failing').parentSpanContext
    expect(parent).toMatchObject({ spanId: 'b7ad6b7169203331', traceFlags: 0x1b, isRemote: true })
    expect(parent?.traceState?.serialize()).toBe('vendor=1')
  })

  test('is not counted as pending in this process', async () => {
    await request(handlerOf(memory(), failing))
    expect(await points('background_tasks.pending_tasks')).toEqual([])
  })

  test('has a span of no length where it was not enqueued', async () => {
    await request(handlerOf(memory(), failing, { runOn: () => false }))
    expect(spanOf('failing').attributes).toMatchObject({ 'background_tasks.task.outcome': 'discarded' })
    expect((await points('background_tasks.pending_tasks')).map(({ value }) => value)).toEqual([])
  })

  test('has a trace of its own where it was enqueued outside of any', async () => {
    const queue = memory()
    await queue.enqueue(failing, 'x', { trace: { traceparent: 'nonsense' } })
    const worker = await queue.work([failing], { observer, onError: () => {} })
    await until(() => taskSpans().length === 1, 'the span')
    await worker.close()
    expect(spanOf('failing').parentSpanContext).toBe(undefined)
  })
})

test('an SDK that is registered after the observer was made is used, for spans and metrics', async () => {
  const early = openTelemetry()
  trace.setGlobalTracerProvider(tracerProvider)
  metrics.setGlobalMeterProvider(meterProvider)
  try {
    await runOne((tasks) => tasks.add(succeeds), { observer: early })
    expect(spanOf('succeeds').links).toHaveLength(1)
    expect(await ended()).toHaveLength(1)
  } finally {
    trace.disable()
    metrics.disable()
  }
})

test('without an SDK tasks run as ever', async () => {
  let runs = 0
  await runOne((tasks) => tasks.add(() => runs++), { observer: openTelemetry() })
  expect(runs).toBe(1)
})

test.each([
  ['tracerProvider', 'a TracerProvider'],
  ['meterProvider', 'a MeterProvider'],
])('a %s that is none is refused', (name, expected) => {
  expect(() => openTelemetry({ [name]: {} })).toThrow(
    new TypeError(
      `Cannot create the OpenTelemetry observer as '${name}' must be ${expected}: current value is [object Object]`,
    ),
  )
})

test.each(runtimes)('works with the SDK on %s', async (runtime) => {
  const task = { linked: true, child: true }
  expect(await runOn(runtime, '_spans.ts')).toEqual([
    { name: 'GET /', linked: false, child: false },
    { name: 'task good', ...task, outcome: 'succeeded' },
    { name: 'task bad', ...task, outcome: 'failed', error: 'RangeError' },
  ])
})
