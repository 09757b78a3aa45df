import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter, once } from 'node:events'
import { createServer, request as httpRequest, IncomingMessage, ServerResponse } from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import Fastify from 'fastify'
import Koa from 'koa'
import { describe, expect, test } from 'vitest'
import { createTasksFor, node, tasksFor } from '../../adapters/node.ts'
import {
  type BackgroundTasks,
  type Call,
  createBackgroundTasks,
  type Delivery,
  type TaskEvent,
} from '../../src/index.ts'
import { takePrinted } from '../_printed.ts'
import { connected, listening, until } from '../_server.ts'
import { endsOf, ok, turn, wrapped } from '../_wrapped.ts'
import { testAdapter } from '../conformance/adapter.ts'

/** A response as Node's are, without a socket. */
class Outgoing extends EventEmitter {
  writableFinished = false
  closed = false
  destroyed = false
  socket: unknown = {}
  statusCode = 200

  close(finished = true): void {
    this.writableFinished = finished
    this.closed = true
    this.emit('close')
  }
}

testAdapter(node(), {
  platform: () => [{ outgoing: new Outgoing() }],
  finish: ([{ outgoing }]) => outgoing.close(),
  delivery: 'flushed',
})

/** What is told of one task whose response is this. */
async function told(outgoing: unknown, finish: () => void = () => {}): Promise<TaskEvent | undefined> {
  const { handler, events } = wrapped(
    (tasks) => {
      tasks.add(() => {})
      return ok()
    },
    { adapter: node() },
  )
  await handler(new Request('http://localhost/'), { outgoing })
  finish()
  await handler.drain()
  return events.at(-1)
}

describe('a response', () => {
  test('that closed unfinished was aborted', async () => {
    const outgoing = new Outgoing()
    expect((await told(outgoing, () => outgoing.close(false)))?.delivery).toBe('aborted')
  })

  test('that was over before the handler returned is not waited for', async () => {
    expect((await told(Object.assign(new Outgoing(), { closed: true })))?.delivery).toBe('aborted')
    expect((await told(Object.assign(new Outgoing(), { destroyed: true, writableFinished: true })))?.delivery).toBe(
      'flushed',
    )
  })

  test('that waits in the pipeline of a socket which died before the handler returned is not waited for', async () => {
    const socket = Object.assign(new EventEmitter(), { destroyed: true })
    const outgoing = Object.assign(new Outgoing(), { socket: null, req: { socket } })
    expect((await told(outgoing))?.delivery).toBe('aborted')
  })

  test('that is a bare object counts as finished', async () => {
    expect((await told({ writableFinished: undefined }))?.delivery).toBe('returned')
    expect((await told({ writableFinished: true }))?.delivery).toBe('flushed')
  })

  test('that waits in the pipeline of a socket which dies is over with it, and the socket has one listener', async () => {
    const socket = new EventEmitter()
    const { handler, events } = wrapped(
      (tasks) => {
        tasks.add(() => {})
        return ok()
      },
      { adapter: node() },
    )
    for (let i = 0; i < 20; i++) {
      const outgoing = Object.assign(new Outgoing(), { socket: null, req: { socket } })
      await handler(new Request('http://localhost/'), { outgoing })
    }
    expect(socket.listenerCount('close')).toBe(1)
    socket.emit('close')
    expect((await handler.drain()).succeeded).toBe(20)
    expect(new Set(endsOf(events).map(({ delivery }) => delivery))).toEqual(new Set(['aborted']))
  })

  test('that closes in one turn with another has its resources disposed of in the async context of its request', async () => {
    const storage = new AsyncLocalStorage<number>()
    const seen: unknown[] = []
    const { handler } = wrapped(
      (tasks) => {
        tasks.use({ [Symbol.dispose]: () => void seen.push(storage.getStore()) })
        return ok()
      },
      { adapter: node() },
    )
    const outgoings = [new Outgoing(), new Outgoing()]
    for (const [i, outgoing] of outgoings.entries()) {
      await storage.run(i, () => handler(new Request('http://localhost/'), { outgoing }))
    }
    for (const [i, outgoing] of outgoings.entries()) storage.run(i, () => outgoing.close())
    await handler.drain()
    expect(seen).toEqual([0, 1])
  })

  test('that hears of the end of its socket, and closes by itself as well, starts the tasks once', async () => {
    const socket = new EventEmitter()
    const outgoing = Object.assign(new Outgoing(), { socket: null, req: { socket } })
    const deliveries: Delivery[] = []
    const { tasks } = createBackgroundTasks().open()
    const call: Call = { request: undefined, platform: [{ outgoing }], tasks, start: 'auto' }
    node().afterResponse((delivery) => deliveries.push(delivery), call, undefined)
    outgoing.close()
    socket.emit('close')
    outgoing.emit('close')
    await turn()
    await turn()
    expect(deliveries).toEqual(['flushed'])
  })

  test('whose start throws is printed, and those that close with it and after it start all the same', async () => {
    const { tasks } = createBackgroundTasks().open()
    const started: number[] = []
    const outgoings = [0, 1, 2].map((i) => {
      const outgoing = new Outgoing()
      const start = (): void => {
        if (started.push(i) === 1) throw new Error('no')
      }
      node().afterResponse(start, { request: undefined, platform: [{ outgoing }], tasks, start: 'auto' }, undefined)
      return outgoing
    })
    outgoings[0]?.close()
    outgoings[1]?.close()
    await turn()
    await turn()
    outgoings[2]?.close()
    await turn()
    await turn()
    expect(started).toEqual([0, 1, 2])
    expect(takePrinted()).toEqual(['background-tasks: start failed: Error: no'])
  })

  test('gets one listener, and none without a task', async () => {
    const outgoing = new Outgoing()
    const { handler } = wrapped((tasks, _env, many: number) => {
      for (let i = 0; i < many; i++) tasks.add(() => {})
      return ok()
    })
    await handler(new Request('http://localhost/'), { outgoing }, 0)
    expect(outgoing.eventNames()).toEqual([])
    await handler(new Request('http://localhost/'), { outgoing }, 5)
    expect(outgoing.listenerCount('close')).toBe(1)
    outgoing.close()
    await handler.drain()
  })
})

describe('tasksFor', () => {
  test('gives the same list at every call, and its tasks run after the response', async () => {
    const log: string[] = []
    await using server = await listening((_request, res) => {
      expect(tasksFor(res)).toBe(tasksFor(res))
      tasksFor(res).add(() => log.push('task'))
      res.on('close', () => log.push('close'))
      res.end('ok')
    })
    expect(await (await fetch(server.url)).text()).toBe('ok')
    await tasksFor.drain()
    await until(() => log.length === 2, 'the task')
    expect(log).toEqual(['close', 'task'])
  })

  test('lets the end of a socket that is not kept alive leave first, while the list of another response is about to start', async () => {
    let held: ServerResponse | undefined
    let hasEnded: boolean | undefined
    await using server = await listening((request, res) => {
      if (request.url === '/held') {
        tasksFor(res).add(() => {})
        held = res
        return
      }
      tasksFor(res).add(() => {
        hasEnded = request.socket.writableFinished
      })
      // It closes in the turn in which the list of the other one is to start, before that does.
      setImmediate(() => res.end())
      held?.end()
    })
    const kept = await connected(server.port)
    kept.write('GET /held HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => held !== undefined, 'the other request')
    const closing = await connected(server.port)
    closing.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await until(() => hasEnded !== undefined, 'the task')
    expect(hasEnded).toBe(true)
    kept.destroy()
    closing.destroy()
    await tasksFor.drain()
  })

  test('knows the status when the response has left, for runOn', async () => {
    const events: TaskEvent[] = []
    const tasksOf = createTasksFor({ runOn: 'success', observer: (event) => void events.push(event) })
    await using server = await listening(async (request, res) => {
      tasksOf(res).add(function task() {})
      await turn()
      res.statusCode = Number(request.url?.slice(1))
      res.end()
    })
    await fetch(`${server.url}/404`)
    await until(() => events.length === 2, 'the first task')
    await fetch(`${server.url}/200`)
    await until(() => events.length === 5, 'the second task')
    expect(endsOf(events).map(({ type, delivery }) => [type, delivery])).toEqual([
      ['discarded', undefined],
      ['succeeded', 'flushed'],
    ])
  })

  test('runs the tasks of a client that left, as aborted, and late ones at once', async () => {
    const events: TaskEvent[] = []
    const tasksOf = createTasksFor({ observer: (event) => void events.push(event) })
    let list: BackgroundTasks | undefined
    await using server = await listening((_request, res) => {
      list = tasksOf(res)
      list.add(() => {})
      res.write('some')
    })
    const socket = await connected(server.port)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    await until(() => endsOf(events).length === 1, 'the task')
    expect(events.at(-1)?.delivery).toBe('aborted')
    list?.add(function late() {})
    expect((await tasksOf.drain()).succeeded).toBe(1)
  })

  test('in Koa runs the tasks of a client that left before there was a status, with runOn: success, and knows the others', async () => {
    const events: TaskEvent[] = []
    const tasksOf = createTasksFor({ runOn: 'success', observer: (event) => void events.push(event) })
    const arrived = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    const app = new Koa().use(async (ctx) => {
      tasksOf(ctx.res).add(function task() {})
      if (ctx.path === '/missing') return
      ctx.res.on('close', gone.resolve)
      arrived.resolve()
      await gone.promise
      ctx.body = 'late'
    })
    await using server = await listening(createServer(app.callback()))
    await fetch(`${server.url}/missing`)
    await until(() => endsOf(events).length === 1, 'the first task to end')
    const socket = await connected(server.port)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await arrived.promise
    socket.destroy()
    await until(() => endsOf(events).length === 2, 'the second task to end')
    expect(endsOf(events).map(({ type }) => type)).toEqual(['discarded', 'succeeded'])
  })

  test('discards nothing of a response without tasks, and adds no listener to it', async () => {
    let listeners = 0
    await using server = await listening((_request, res: ServerResponse) => {
      const before = res.listenerCount('close')
      tasksFor(res)
      listeners = res.listenerCount('close') - before
      res.end()
    })
    await fetch(server.url)
    expect(listeners).toBe(0)
  })

  test('watches a response with one listener, however often its list is emptied', async () => {
    const tasksOf = createTasksFor()
    const outgoing = new Outgoing()
    for (let i = 0; i < 12; i++) {
      tasksOf(outgoing).add(() => {})
      tasksOf(outgoing).clear()
      await turn()
    }
    expect(outgoing.listenerCount('close')).toBe(1)
    outgoing.close()
    await tasksOf.drain()
  })

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['[object Object]', { raw: new Outgoing(), request: {} }],
    ['[object Object]', { res: new Outgoing(), req: {} }],
  ])('refuses what is no response, such as a reply of Fastify or a context of Koa: %s', (shown, res) => {
    expect(() => tasksFor(res as never)).toThrow(
      new TypeError(
        `Cannot give the tasks of the response as 'res' must be a ServerResponse (Fastify: reply.raw, Koa: ctx.res): current value is ${shown}`,
      ),
    )
  })

  test('cannot be made with options that are no object', () => {
    expect(() => createTasksFor(5 as never)).toThrow(
      new TypeError("Cannot create background tasks as 'options' must be an object: current value is 5"),
    )
  })

  test('works with HTTP/2, where the reset code tells an abort, also when the handler outlives its client', async () => {
    const events: TaskEvent[] = []
    const tasksOf = createTasksFor({ observer: (event) => void events.push(event) })
    const names = ['whole', 'cut', 'outlived']
    let release!: () => void
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const server = http2.createServer(async (request, res) => {
      const name = request.url.slice(1)
      if (name === 'outlived') await gate
      tasksOf(res).add(Object.defineProperty(() => {}, 'name', { value: name }))
      if (name === 'whole') res.end('ok')
      else if (name === 'cut') res.write('some')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    for (const name of names) {
      const stream = client.request({ ':path': `/${name}`, ':method': 'POST' })
      stream.on('error', () => {})
      stream.write('never ended')
      if (name === 'whole') {
        stream.resume()
        await until(() => endsOf(events).length === 1, 'the task of a response whose request was left unread')
        stream.close()
      } else {
        if (name === 'cut') await once(stream, 'data')
        else await turn()
        stream.close(http2.constants.NGHTTP2_CANCEL)
        await once(stream, 'close')
      }
    }
    await until(() => endsOf(events).length === 2, 'the task of the response that was cut')
    release()
    await until(() => endsOf(events).length === 3, 'the task that was added when the client had gone')
    expect(endsOf(events).map(({ task, delivery }) => [task.name, delivery])).toEqual([
      ['whole', 'flushed'],
      ['cut', 'aborted'],
      ['outlived', 'aborted'],
    ])
    client.close()
    server.close()
  })
})

test('pipelined responses whose socket dies are all over, over a real socket', async () => {
  const events: TaskEvent[] = []
  const tasksOf = createTasksFor({ observer: (event) => void events.push(event) })
  await using server = await listening(
    createServer((_request, res) => {
      tasksOf(res).add(() => {})
    }),
  )
  const socket = await connected(server.port)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3))
  await until(() => events.length === 3, 'the three requests')
  socket.destroy()
  await until(() => endsOf(events).length === 3, 'their tasks')
  expect(endsOf(events).map(({ delivery }) => delivery)).toEqual(['aborted', 'aborted', 'aborted'])
})

test('50 requests on one keep-alive socket print no listener warning', async () => {
  const warnings: Error[] = []
  const warned = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warned)
  const tasksOf = createTasksFor()
  await using server = await listening((_request, res) => {
    tasksOf(res).add(() => {})
    res.end('ok')
  })
  const { Agent } = await import('node:http')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let i = 0; i < 50; i++) {
    const [response] = await once(httpRequest(server.url, { agent }).end(), 'response')
    await once(response.resume(), 'end')
  }
  await tasksOf.drain()
  agent.destroy()
  process.off('warning', warned)
  expect(warnings).toEqual([])
})

describe('a response that is no real one', () => {
  /** As serverless-http makes them: `close` is an event only. */
  function served(emits: readonly string[]): ServerResponse {
    const outgoing = new ServerResponse(new IncomingMessage(new PassThrough() as unknown as Socket))
    const sink = new PassThrough()
    sink.resume()
    outgoing.assignSocket(sink as unknown as Socket)
    outgoing.on('finish', () => {
      for (const event of emits) outgoing.emit(event)
    })
    return outgoing
  }

  test('and says `close` without having closed starts its tasks', async () => {
    const log: string[] = []
    const tasksOf = createTasksFor({ observer: ({ type }) => void log.push(type) })
    const outgoing = served(['close'])
    tasksOf(outgoing).add(() => {})
    outgoing.end('x')
    await tasksOf.drain({ timeoutMs: 1_000 })
    expect(log).toEqual(['added', 'started', 'succeeded'])
  })

  test.each([
    ['of node-mocks-http', () => new MockResponse()],
    ['with a socket that is a mere object', () => withFakeSocket()],
  ])('and never says `close` starts them when it has finished: %s', async (_name, make) => {
    const log: string[] = []
    const tasksOf = createTasksFor({ observer: ({ type, delivery }) => void log.push(`${type} ${delivery}`) })
    const outgoing = make()
    tasksOf(outgoing).add(() => {})
    outgoing.end()
    await tasksOf.drain({ timeoutMs: 1_000 })
    expect(log).toEqual(['added undefined', 'started flushed', 'succeeded flushed'])
  })

  test('of an injected request of Fastify was delivered', async () => {
    const log: string[] = []
    const tasksOf = createTasksFor({ observer: ({ type, delivery }) => void log.push(`${type} ${delivery}`) })
    const app = Fastify()
    app.get('/', async (_request, reply) => {
      tasksOf(reply.raw).add(() => {})
      return 'ok'
    })
    expect((await app.inject('/')).statusCode).toBe(200)
    await tasksOf.drain({ timeoutMs: 1_000 })
    expect(log).toEqual(['added undefined', 'started flushed', 'succeeded flushed'])
  })

  /** Shaped after node-mocks-http: an emitter that finishes. */
  class MockResponse extends EventEmitter {
    statusCode = 200
    writableFinished = false
    end(): void {
      this.writableFinished = true
      this.emit('finish')
    }
  }

  /** Shaped after @vendia/serverless-express: a real one on a socket that is none. */
  function withFakeSocket(): ServerResponse {
    const outgoing = new ServerResponse(new IncomingMessage({ encrypted: false } as unknown as Socket))
    const written = {
      _writableState: {},
      writable: true,
      on() {},
      removeListener() {},
      destroy() {},
      cork() {},
      uncork() {},
    }
    const write = (_data: unknown, encoding: unknown, done?: () => void): boolean => {
      const called = typeof encoding === 'function' ? (encoding as () => void) : done
      called?.()
      return true
    }
    outgoing.assignSocket(Object.assign(written, { write }) as unknown as Socket)
    return outgoing
  }
})
