import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { stream, streamSSE } from 'hono/streaming'
import { describe, expect, test } from 'vitest'
import { type BackgroundTasksVariables, backgroundTasks } from '../../adapters/hono.ts'
import { workers } from '../../adapters/workers.ts'
import {
  type BackgroundTasks,
  type BackgroundTasksOptions,
  type TaskEvent,
  withBackgroundTasks,
} from '../../src/index.ts'
import { until } from '../_server.ts'
import { deferred, endsOf, turn } from '../_wrapped.ts'

/** An app with the middleware, and its log. */
function observed(options: BackgroundTasksOptions = {}) {
  const events: TaskEvent[] = []
  const middleware = backgroundTasks({ onError: () => {}, observer: (event) => void events.push(event), ...options })
  return {
    app: new Hono().use(middleware),
    middleware,
    events,
    log: () => events.map(({ type, task }) => `${type} ${task.name}`),
  }
}

function task(): void {}

describe('with app.request(), where there is no host at all', () => {
  test('tasks run after the response, and c.var.tasks is the list', async () => {
    const { app, middleware, log } = observed()
    app.get('/', (c) => {
      c.var.tasks.add(task)
      return c.text('ok')
    })
    const response = await app.request('/')
    expect(log()).toEqual(['added task'])
    expect(await response.text()).toBe('ok')
    expect((await middleware.drain()).succeeded).toBe(1)
  })

  test('middleware and handler add to one list, in that order, also under two of our middlewares', async () => {
    const { app, middleware, events } = observed()
    app.use(async (c, next) => {
      c.var.tasks.add(function before() {})
      await next()
      c.var.tasks.add(function after() {})
    })
    const sub = new Hono().use(backgroundTasks({ runOn: () => false }))
    sub.get('/deep', (c) => {
      c.var.tasks.add(function handler() {})
      return c.text('ok')
    })
    app.route('/sub', sub)
    await app.request('/sub/deep')
    await middleware.drain()
    expect(endsOf(events).map(({ type, task }) => `${type} ${task.name}`)).toEqual([
      'succeeded before',
      'succeeded handler',
      'succeeded after',
    ])
  })

  test('an app in app.mount gets a Request of its own, and so a list of its own', async () => {
    const { app } = observed()
    const lists: BackgroundTasks[] = []
    app.use(async (c, next) => {
      lists.push(c.var.tasks)
      await next()
    })
    app.mount(
      '/other',
      withBackgroundTasks((_request, tasks) => {
        lists.push(tasks)
        return new Response('ok')
      }),
    )
    await app.request('/other/x')
    expect(lists.length).toBe(2)
    expect(lists[0]).not.toBe(lists[1])
  })

  test('a host that gives a response of Node and an execution context is asked to wait', async () => {
    const held: unknown[] = []
    const app = new Hono().use(backgroundTasks()).get('/', (c) => {
      c.var.tasks.add(task)
      return c.text('ok')
    })
    const res = { writableFinished: true, closed: true, on() {} }
    const context = { waitUntil: (work: unknown) => void held.push(work), passThroughOnException() {}, props: {} }
    await app.fetch(new Request('http://localhost/'), { res }, context)
    expect(held.length).toBe(1)
    await held[0]
  })

  test.each([
    ['detected', {}],
    ['workers()', { adapter: workers() }],
  ])('an env that throws for names it does not have costs no waitUntil: %s', async (_name, options) => {
    const strict = new Proxy(
      {},
      {
        get(_env, name) {
          if (typeof name === 'symbol') return undefined
          throw new ReferenceError(`no ${name}`)
        },
      },
    )
    const held: unknown[] = []
    const app = new Hono().use(backgroundTasks(options)).get('/', (c) => {
      c.var.tasks.add(task)
      return c.text('ok')
    })
    const context = { waitUntil: (work: unknown) => void held.push(work), passThroughOnException() {}, props: {} }
    expect((await app.fetch(new Request('http://localhost/'), strict, context)).status).toBe(200)
    expect(held.length).toBe(1)
    await held[0]
  })

  test("app.fetch may itself be wrapped: one list, the outermost's", async () => {
    const { app, events } = observed()
    app.get('/', (c) => {
      c.var.tasks.add(task)
      return c.text('ok')
    })
    const outer: string[] = []
    const handler = withBackgroundTasks((request) => app.fetch(request), {
      observer: ({ type }) => void outer.push(type),
    })
    await handler(new Request('http://localhost/'))
    await handler.drain()
    expect(outer).toEqual(['added', 'started', 'succeeded'])
    expect(events).toEqual([])
  })

  test('streamSSE: tasks run after the body was read, and the stream is the same', async () => {
    const { app, middleware, log } = observed()
    app.get('/', (c) => {
      c.var.tasks.add(task)
      return streamSSE(c, async (sse) => {
        await sse.writeSSE({ data: 'one' })
        await turn()
        await sse.writeSSE({ data: 'two' })
      })
    })
    const response = await app.request('/')
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    await turn()
    expect(log()).toEqual(['added task'])
    expect(await response.text()).toBe('data: one\n\ndata: two\n\n')
    await middleware.drain()
    expect(log().at(-1)).toBe('succeeded task')
  })

  test('a response that is replaced keeps its headers and cookies as they were, each once', async () => {
    const { app, middleware } = observed()
    app.get('/', (c) => {
      c.var.tasks.add(task)
      c.header('set-cookie', 'a=1')
      c.header('set-cookie', 'b=2', { append: true })
      c.header('x-one', '1')
      return c.body('data: x\n\n', 200, { 'content-type': 'text/event-stream' })
    })
    const response = await app.request('/')
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(response.headers.get('x-one')).toBe('1')
    expect(await response.text()).toBe('data: x\n\n')
    await middleware.drain()
  })
})

describe('errors', () => {
  test.each<[string, unknown, number]>([
    ['an Error', new Error('no'), 500],
    ['an HTTPException', new HTTPException(403), 403],
  ])('%s counts as thrown: tasks are discarded, and the app answers', async (_name, error, status) => {
    const { app, events } = observed()
    app.onError((caught) =>
      caught instanceof HTTPException ? caught.getResponse() : new Response('sorry', { status: 500 }),
    )
    app.get('/', (c) => {
      c.var.tasks.add(task)
      throw error
    })
    expect((await app.request('/')).status).toBe(status)
    expect(endsOf(events).map(({ type, reason }) => [type, reason])).toEqual([['discarded', 'the handler threw']])
  })

  test('a sub-app that answers its errors by itself counts as thrown too', async () => {
    const { app, log } = observed()
    const sub = new Hono<{ Variables: BackgroundTasksVariables }>()
    sub.onError((_error, c) => c.text('sorry', 502))
    sub.get('/', (c) => {
      c.var.tasks.add(task)
      throw new Error('no')
    })
    app.route('/sub', sub)
    expect((await app.request('/sub')).status).toBe(502)
    expect(log()).toEqual(['added task', 'discarded task'])
  })

  test('an app.onError that throws itself counts as thrown, and its error comes out', async () => {
    const { app, log } = observed()
    app.onError(() => {
      throw new Error('onError')
    })
    app.get('/', (c) => {
      c.var.tasks.add(task)
      throw new Error('no')
    })
    await expect(async () => app.request('/')).rejects.toThrow('onError')
    expect(log()).toEqual(['added task', 'discarded task'])
  })

  test('what is no Error is rethrown by Hono, and tasks are discarded', async () => {
    const { app, log } = observed()
    app.get('/', (c) => {
      c.var.tasks.add(task)
      throw 'text'
    })
    await expect(async () => app.request('/')).rejects.toBe('text')
    expect(log()).toEqual(['added task', 'discarded task'])
  })

  test('a handler that forgets its response counts as thrown, as Hono answers 500', async () => {
    const { app, log } = observed({ runOn: 'success' })
    app.onError((_error, c) => c.text('failed', 500))
    app.get('/', (c) => {
      c.var.tasks.add(task)
      return undefined as never
    })
    app.use('/all', async (c) => {
      c.var.tasks.add(task)
    })
    expect((await app.request('/')).status).toBe(500)
    expect((await app.request('/all')).status).toBe(500)
    await turn()
    await turn()
    expect(log()).toEqual(['added task', 'discarded task', 'added task', 'discarded task'])
  })

  test("with runOn 'always' tasks run after the answer of app.onError, and a rule is told error and status", async () => {
    const error = new Error('no')
    const outcomes: unknown[] = []
    const { app, middleware, log } = observed({
      runOn: (outcome) => {
        outcomes.push(outcome)
        return true
      },
    })
    app.onError((_error, c) => c.text('sorry', 503))
    app.get('/', (c) => {
      c.var.tasks.add(task)
      throw error
    })
    expect((await app.request('/')).status).toBe(503)
    await middleware.drain()
    expect(outcomes).toEqual([{ threw: true, error, status: 503, delivery: 'returned' }])
    expect(log().at(-1)).toBe('succeeded task')
  })

  test('notFound counts as a response: tasks of a middleware run', async () => {
    const { app, middleware, log } = observed()
    app.use(async (c, next) => {
      c.var.tasks.add(task)
      await next()
    })
    expect((await app.request('/nowhere')).status).toBe(404)
    await middleware.drain()
    expect(log().at(-1)).toBe('succeeded task')
  })
})

describe('on @hono/node-server', () => {
  /** Serves the app on a real socket until the end of the block. */
  async function served(app: Hono<any>) {
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
    await until(() => server.listening, 'the server')
    const { port } = server.address() as AddressInfo
    return {
      get: (path: string, method = 'GET') => fetch(`http://127.0.0.1:${port}${path}`, { method }),
      async [Symbol.asyncDispose]() {
        server.close()
        server.closeAllConnections()
        await once(server, 'close')
      },
    }
  }

  test('tasks run when the response was flushed: fixed, HEAD, stream(), streamSSE()', async () => {
    const { app, middleware, events } = observed()
    const sent: string[] = []
    app.get('/fixed', (c) => {
      c.var.tasks.add(function fixed() {})
      return c.json({ ok: true })
    })
    app.get('/stream', (c) => {
      c.var.tasks.add(function streamed() {})
      return stream(c, async (out) => {
        await out.write('a')
        await turn()
        await out.write('b')
      })
    })
    app.get('/events', (c) => {
      c.var.tasks.add(() => sent.push('task'))
      return streamSSE(c, async (sse) => {
        await sse.writeSSE({ data: 'one' })
        await turn()
        sent.push('last event')
        await sse.writeSSE({ data: 'two' })
      })
    })
    await using server = await served(app)
    const fixed = await server.get('/fixed')
    expect(fixed.headers.get('content-length')).toBe('11')
    expect(await fixed.json()).toEqual({ ok: true })
    await server.get('/fixed', 'HEAD')
    expect(await (await server.get('/stream')).text()).toBe('ab')
    expect(await (await server.get('/events')).text()).toBe('data: one\n\ndata: two\n\n')
    await until(() => endsOf(events).length === 4, 'four tasks')
    await middleware.drain()
    expect(endsOf(events).map(({ type, task, delivery }) => [type, task.name, delivery])).toEqual([
      ['succeeded', 'fixed', 'flushed'],
      ['succeeded', 'fixed', 'flushed'],
      ['succeeded', 'streamed', 'flushed'],
      ['succeeded', 'anonymous', 'flushed'],
    ])
    expect(sent).toEqual(['last event', 'task'])
  })

  test('drain waits for the tasks, which the server itself does not', async () => {
    const { app, middleware, events } = observed()
    const gate = deferred()
    app.get('/', (c) => {
      c.var.tasks.add(function first() {
        return gate.promise
      })
      c.var.tasks.add(function second() {})
      return c.text('ok')
    })
    await using server = await served(app)
    await (await server.get('/')).text()
    await until(() => events.length === 3, 'the first task')
    const draining = middleware.drain()
    gate.resolve()
    expect(await draining).toEqual({ succeeded: 2, failed: 0, discarded: 0, abandoned: [] })
  })
})

test.each<[string, object]>([
  ['without bindings', {}],
  ['with a binding named outgoing', { outgoing: { send() {} } }],
])('on Workers the execution context is asked, and app.request(…, env, ctx) passes it: %s', async (_name, env) => {
  const { app, middleware } = observed()
  app.get('/', (c) => {
    c.var.tasks.add(task)
    return c.text('ok')
  })
  const held: Promise<unknown>[] = []
  const ctx = { waitUntil: (work: Promise<unknown>) => void held.push(work), passThroughOnException() {}, props: {} }
  await app.request('/', {}, env, ctx)
  expect(held.length).toBe(1)
  await held[0]
  await middleware.drain()
})
