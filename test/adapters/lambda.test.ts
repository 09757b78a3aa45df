import { once } from 'node:events'
import { join } from 'node:path'
import { Hono } from 'hono'
import { handle, streamHandle } from 'hono/aws-lambda'
import { stream } from 'hono/streaming'
import { handleLambdaEvent } from 'srvx/aws-lambda'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { backgroundTasks } from '../../adapters/hono.ts'
import { lambda, streaming } from '../../adapters/lambda.ts'
import { takePrinted } from '../_printed.ts'
import { ok, wrapped } from '../_wrapped.ts'
import { testAdapter } from '../conformance/adapter.ts'
import { Example } from '../examples/_example.ts'
import { titledBlock } from '../recipes/_recipe.ts'
import { awslambda, events, invokeStreaming, lambdaContext } from './_lambda-runtime.ts'

const host = globalThis as { awslambda?: typeof awslambda }
// Read by detection at its first call.
process.env['AWS_LAMBDA_FUNCTION_NAME'] = 'fn'
host.awslambda = awslambda

afterAll(() => {
  delete process.env['AWS_LAMBDA_FUNCTION_NAME']
  delete host.awslambda
})

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const [event] = Object.values(events).map((make) => make('GET', '/')) as [object]

testAdapter(lambda(), { platform: () => [{}, lambdaContext()], delivery: 'returned', waits: true })

const adapters = [
  ['detection', {}],
  ['the adapter', { adapter: lambda() }],
] as const

describe.each(adapters)('a function that returns its response, by %s', (_name, options) => {
  test.each(Object.entries(events))('is not over before its tasks are, behind %s', async (_trigger, make) => {
    const log: string[] = []
    const app = new Hono().use(backgroundTasks(options)).post('/signup', async (c) => {
      c.var.tasks.add(
        async (email: string) => {
          await sleep(20)
          log.push(email)
        },
        await c.req.text(),
      )
      return c.text('signed up', 201)
    })
    const signup: any = make('POST', '/signup', 'ada@example.com')
    const result = await handle(app)(signup, lambdaContext())
    log.push('frozen')
    expect([result.statusCode, result.body]).toEqual([201, 'signed up'])
    expect(log).toEqual(['ada@example.com', 'frozen'])
  })

  test('waits for tasks that tasks add, for those that fail, and for resources', async () => {
    const log: string[] = []
    const { handler } = wrapped((tasks) => {
      tasks.use({ [Symbol.asyncDispose]: async () => void log.push('disposed') })
      tasks.add(() => {
        tasks.add(() => sleep(5).then(() => log.push('nested')))
        throw new Error('meant to fail')
      })
      return ok()
    }, options)
    await handler(new Request('http://localhost/'), event, lambdaContext())
    expect(log).toEqual(['nested', 'disposed'])
  })

  test('waits for the tasks of a handler that threw, and then fails with the same error', async () => {
    const error = new Error('meant to fail')
    const { handler, log } = wrapped(
      (tasks) => {
        tasks.add(() => sleep(5))
        throw error
      },
      { ...options, runOn: 'always' },
    )
    await expect(handler(new Request('http://localhost/'), event, lambdaContext())).rejects.toBe(error)
    expect(log().at(-1)).toMatch(/^succeeded/)
  })

  test('has its streaming body read before its tasks start, which is what it would be sent as', async () => {
    const log: string[] = []
    const { handler } = wrapped((tasks) => {
      tasks.add(() => log.push('task'))
      const body = new ReadableStream({
        async pull(controller) {
          await sleep(5)
          log.push('last chunk')
          controller.enqueue(new TextEncoder().encode('data: x\n\n'))
          controller.close()
        },
      })
      return new Response(body, { status: 201, headers: { 'content-type': 'text/event-stream' } })
    }, options)
    const response = await handler(new Request('http://localhost/'), event, lambdaContext())
    expect(log).toEqual(['last chunk', 'task'])
    expect([response.status, await response.text()]).toEqual([201, 'data: x\n\n'])
  })

  test('gives a body that fails as one that fails, after its tasks', async () => {
    const { handler, log } = wrapped((tasks) => {
      tasks.add(function task() {})
      const body = new ReadableStream({ pull: () => Promise.reject(new Error('meant to fail')) })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    }, options)
    const response = await handler(new Request('http://localhost/'), event, lambdaContext())
    expect(log().at(-1)).toBe('succeeded task')
    await expect(response.text()).rejects.toThrow('meant to fail')
  })

  test('abandons what still runs when hardly more time is left than its response needs, and says so', async () => {
    let signalled = false
    const { handler, log } = wrapped((tasks) => {
      tasks.use({ [Symbol.dispose]: () => void (signalled = true) })
      tasks.add(function hangs() {
        return new Promise(() => {})
      })
      tasks.add(function never() {})
      return ok()
    }, options)
    const context = lambdaContext(700)
    const response = await handler(new Request('http://localhost/'), event, context)
    expect(context.getRemainingTimeInMillis()).toBeGreaterThan(300)
    expect(await response.text()).toBe('ok')
    expect(log()).toEqual(['added hangs', 'added never', 'started hangs', 'abandoned hangs', 'abandoned never'])
    expect(signalled).toBe(true)
    expect(takePrinted()).toEqual(['background-tasks: the time of the invocation was over, tasks abandoned: 2'])
  })

  test('leaves no timer behind', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const { handler } = wrapped((tasks) => {
      tasks.add(() => sleep(5))
      return ok()
    }, options)
    const before = timers()
    await handler(new Request('http://localhost/'), event, lambdaContext())
    expect(timers()).toBe(before)
  })

  test('refuses a task that is added when the invocation is over, and may be given the same context again', async () => {
    let late!: () => void
    const { handler, log } = wrapped((tasks) => {
      tasks.add(function task() {})
      late = () => tasks.add(() => {})
      return ok()
    }, options)
    const context = lambdaContext()
    for (const round of [1, 2]) {
      await handler(new Request('http://localhost/'), event, context)
      expect(log().filter((line) => line === 'succeeded task').length).toBe(round)
      expect(late).toThrow('Cannot add a task as its invocation of Lambda is over')
    }
  })

  test('without a task answers at once, with the very same response', () => {
    const response = ok()
    expect(wrapped(() => response, options).handler(new Request('http://localhost/'), event, lambdaContext())).toBe(
      response,
    )
  })

  test('is found by the request of srvx', async () => {
    const { handler, log } = wrapped((tasks) => {
      tasks.add(function task() {
        return sleep(5)
      })
      return ok()
    }, options)
    await handleLambdaEvent((request) => handler(request), event as never, lambdaContext() as never)
    expect(log().at(-1)).toBe('succeeded task')
  })
})

test('the margin is an option: a task may run longer', async () => {
  const { handler, log } = wrapped(
    (tasks) => {
      tasks.add(function task() {
        return sleep(400)
      })
      return ok()
    },
    { adapter: lambda({ marginMs: 100 }) },
  )
  await handler(new Request('http://localhost/'), event, lambdaContext(700))
  expect(log().at(-1)).toBe('succeeded task')
})

test('an option that is none is refused, saying what was expected and what came', () => {
  expect(() => lambda({ marginMs: -1 })).toThrow(
    "Cannot create the lambda adapter as 'marginMs' must be a number of milliseconds from 0 to 2^31-1: current value is -1",
  )
})

describe.each(adapters)('a function that streams its response, by %s', (_name, options) => {
  let log: string[]
  let background: ReturnType<typeof backgroundTasks>
  const tell = (line: string): void => void log.push(line)

  beforeEach(() => {
    log = []
    background = backgroundTasks({
      ...options,
      onError: () => {},
      observer: ({ type, task, delivery }) => void log.push([type, task.name, delivery].filter(Boolean).join(' ')),
    })
  })

  /** Of these lines, which happened, in order. That the other side has seen the end is told a little later. */
  const seen = (...lines: string[]): string[] => log.filter((line) => lines.includes(line))
  const task = async (): Promise<void> => sleep(20)

  const invoke = (app: Hono<any>, context: object = lambdaContext()): Promise<string> =>
    invokeStreaming(streaming(streamHandle(app)), event, context, tell)

  test('ends the stream first; then its tasks run, and only then is it over', async () => {
    const app = new Hono().use(background).get('/', (c) => {
      c.var.tasks.add(task)
      return c.text('at once')
    })
    expect(await invoke(app)).toBe('at once')
    const rest = ['succeeded task flushed', 'handler settled', 'frozen']
    expect(seen('added task', 'stream ended', ...rest)).toEqual(['added task', 'stream ended', ...rest])
    expect(seen('added task', 'started task flushed', ...rest)).toEqual(['added task', 'started task flushed', ...rest])
  })

  test('runs a task that is added when the list was empty already, and ends then', async () => {
    const app = new Hono().use(background).get('/', (c) => {
      const { tasks } = c.var
      const { promise, resolve } = Promise.withResolvers<void>()
      tasks.add(function first() {
        resolve()
      })
      promise.then(() => tasks.add(function second() {}))
      return c.text('at once')
    })
    const context = lambdaContext(3_000)
    await invoke(app, context)
    expect(seen('succeeded second flushed', 'frozen')).toEqual(['succeeded second flushed', 'frozen'])
    expect(context.getRemainingTimeInMillis()).toBeGreaterThan(1_500)
  })

  test('ends a long stream first, with a task that is added while it flows', async () => {
    const app = new Hono().use(background).get('/', (c) =>
      stream(c, async (out) => {
        await out.write('one ')
        c.var.tasks.add(task)
        await sleep(5)
        await out.write('two')
      }),
    )
    expect(await invoke(app)).toBe('one two')
    const lines = ['added task', 'stream ended', 'succeeded task flushed', 'handler settled', 'frozen']
    expect(seen(...lines)).toEqual(lines)
  })

  test('has a response without a body', async () => {
    const app = new Hono().use(background).get('/', (c) => {
      c.var.tasks.add(task)
      return c.body(null, 204)
    })
    expect(await invoke(app)).toBe('')
    const lines = ['added task', 'stream ended', 'succeeded task flushed', 'handler settled', 'frozen']
    expect(seen(...lines)).toEqual(lines)
  })

  test('discards the tasks of a handler that threw', async () => {
    const app = new Hono().use(background).get('/', (c) => {
      c.var.tasks.add(task)
      throw new Error('meant to fail')
    })
    app.onError((_error, c) => c.text('failed', 500))
    await invoke(app)
    const lines = ['added task', 'discarded task', 'handler settled', 'frozen']
    expect(log.filter((line) => line !== 'stream ended')).toEqual(lines)
  })

  test('whose stream is broken off runs its tasks all the same', async () => {
    const app = new Hono().use(background).get('/', (c) => {
      c.var.tasks.add(task)
      return c.text('never')
    })
    const handler = streaming(
      awslambda.streamifyResponse(async (given: any, out: any, context: any) => {
        await app.fetch(new Request('http://localhost/'), { event: given, context })
        out.destroy()
      }),
    )
    await invokeStreaming(handler, event, lambdaContext(), tell)
    expect(log.slice(0, 3)).toEqual(['added task', 'started task aborted', 'succeeded task aborted'])
  })

  test('that has waited for the end of its stream itself is not waited for again, and its tasks start a turn later', async () => {
    const app = new Hono().use(background).get('/', (c) => {
      c.var.tasks.add(task)
      return c.text('at once')
    })
    const handler = streaming(
      awslambda.streamifyResponse(async (given: any, out: any, context: any) => {
        const response = await app.fetch(new Request('http://localhost/'), { event: given, context })
        out.end(`\0${response.status}`)
        await once(out, 'close')
        setImmediate(tell, 'next turn')
      }),
    )
    expect(await invokeStreaming(handler, event, lambdaContext(), tell)).toBe('200')
    const lines = ['next turn', 'started task flushed', 'succeeded task flushed', 'handler settled']
    expect(seen(...lines)).toEqual(lines)
  })

  test('that rejects runs its tasks first', async () => {
    const app = new Hono().use(background).get('/', (c) => {
      c.var.tasks.add(task)
      return c.text('never')
    })
    const handler = streaming(
      awslambda.streamifyResponse(async (given: any, _out: any, context: any) => {
        await app.fetch(new Request('http://localhost/'), { event: given, context })
        throw new Error('meant to fail')
      }),
    )
    await invokeStreaming(handler, event, lambdaContext(), tell)
    expect(log.slice(1)).toEqual(['started task aborted', 'succeeded task aborted', 'failed: meant to fail', 'frozen'])
  })

  test('abandons what still runs when its time is over', async () => {
    const app = new Hono().use(background).get('/', (c) => {
      c.var.tasks.add(function hangs() {
        return new Promise(() => {})
      })
      return c.text('at once')
    })
    const context = lambdaContext(700)
    await invoke(app, context)
    expect(context.getRemainingTimeInMillis()).toBeGreaterThan(300)
    const lines = ['added hangs', 'stream ended', 'abandoned hangs flushed', 'handler settled', 'frozen']
    expect(seen(...lines)).toEqual(lines)
    expect(takePrinted()).toEqual(['background-tasks: the time of the invocation was over, tasks abandoned: 1'])
  })

  test('without `streaming` has its response wait for its tasks, and loses none', async () => {
    const app = new Hono().use(background).get('/', (c) => {
      c.var.tasks.add(task)
      return c.text('late')
    })
    expect(await invokeStreaming(streamHandle(app), event, lambdaContext(), tell)).toBe('late')
    const lines = ['added task', 'started task returned', 'succeeded task returned', 'stream ended']
    expect(seen(...lines)).toEqual(lines)
  })
})

test("the README's function streams", async () => {
  const example = await Example.empty()
  try {
    const { file, code } = titledBlock('## `background-tasks/lambda`')
    await example.write('package.json', { type: 'module', dependencies: { 'background-tasks': '*', hono: '*' } })
    await example.install()
    await example.write(file, code)
    const { handler } = await import(/* @vite-ignore */ join(example.folder, file))
    const log: string[] = []
    expect(await invokeStreaming(handler, event, lambdaContext(), (line) => log.push(line))).toBe('404 Not Found')
    expect(log).toContain('handler settled')
  } finally {
    await example[Symbol.asyncDispose]()
  }
})

test('what is no handler cannot be made to stream, and it is said what came', () => {
  expect(() => streaming({} as never)).toThrow(
    "Cannot stream a response as 'handler' must be a function (event, responseStream, context) => promise: current value is [object Object]",
  )
})
