/** The end of a Node response that waits for a queue, as servers and middleware use it. */
import { once } from 'node:events'
import { createServer, get, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect, createServer as createHttp2Server, type Http2ServerResponse } from 'node:http2'
import { type AddressInfo, connect as connectSocket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { defineTask, QueueError, type TaskQueue } from 'background-tasks'
import { createTasksFor } from 'background-tasks/node'
import { describe, expect, it } from 'vitest'
import { takePrinted } from '../_printed.ts'
import { listening, until } from '../_server.ts'

const audit = defineTask({ name: 'audit', run: (_line: string) => {} })

/** A queue that takes what it is given, or does not, when it is told to. */
function gatedQueue() {
  const waiting: { resolve(): void; reject(error: unknown): void }[] = []
  const queue = {
    name: 'gated',
    enqueueAll: (items: unknown[]) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      waiting.push({ resolve, reject })
      return promise.then(() => items.map(() => ({ id: 'x' })))
    },
  } as unknown as TaskQueue
  return { queue, waiting, asked: () => until(() => waiting.length > 0, 'the queue to be asked') }
}

interface Answer {
  readonly status: number | undefined
  readonly text: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly statusMessage: string | undefined
}

async function answerOf(url: string, method = 'GET'): Promise<Answer> {
  const [response] = (await once(request(url, { method }).end(), 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += chunk
  const { statusCode: status, headers, rawHeaders, statusMessage } = response
  return { status, text, headers, rawHeaders, statusMessage }
}

/** A server whose handler adds a task, then answers as `respond` does. */
async function serving(respond: (res: ServerResponse) => unknown, options: object = {}) {
  const gate = gatedQueue()
  const tasksFor = createTasksFor({ queue: gate.queue, ...options })
  const server = await listening(
    createServer((_request, res) => {
      tasksFor(res).add(audit, 'x')
      respond(res)
    }),
  )
  return { ...gate, ...server, tasksFor }
}

/** Asks, and lets the queue take the tasks. */
async function answered(respond: (res: ServerResponse) => unknown, method = 'GET'): Promise<Answer> {
  await using server = await serving(respond)
  const answer = answerOf(server.url, method)
  await server.asked()
  server.waiting[0]?.resolve()
  return await answer
}

describe('a response whose end is held', () => {
  it('ends with the arguments it was given, its callback too', async () => {
    let called = 0
    const { text } = await answered((res) => res.end('aGk=', 'base64', () => called++))
    expect([text, called]).toEqual(['hi', 1])
  })

  it('may be piped into, by pipe and by pipeline', async () => {
    expect((await answered((res) => Readable.from(['some ', 'more']).pipe(res))).text).toBe('some more')
    expect((await answered((res) => pipeline(Readable.from(['a', 'b']), res))).text).toBe('ab')
  })

  it('may be the answer of a HEAD request, or have no body', async () => {
    expect(await answered((res) => res.setHeader('content-length', 7).end(), 'HEAD')).toMatchObject({
      status: 200,
      text: '',
      headers: { 'content-length': '7' },
    })
    expect((await answered((res) => res.writeHead(204).end())).status).toBe(204)
  })

  it('goes through middleware that had replaced end before', async () => {
    const { text } = await answered((res) => res.end('body'), 'GET')
    expect(text).toBe('body')
    const { queue, waiting, asked } = gatedQueue()
    const tasksFor = createTasksFor({ queue })
    await using server = await listening(
      createServer((_request, res) => {
        const { end } = res
        let ended = 0
        res.end = ((chunk: string) => {
          ended++
          return end.call(res, `${chunk} ended ${ended}`, 'utf8')
        }) as never
        tasksFor(res).add(audit, 'x')
        res.end('body')
        res.end('body')
      }),
    )
    const answer = answerOf(server.url)
    await asked()
    waiting[0]?.resolve()
    expect((await answer).text).toBe('body ended 1')
  })

  it('is held as well by middleware that replaces end after, and sets its headers then', async () => {
    const { text, headers } = await answered((res) => {
      const { end } = res
      res.end = ((chunk: string) => {
        res.setHeader('x-late', '1')
        return end.call(res, `${chunk}!`, 'utf8')
      }) as never
      res.end('body')
      res.end('body')
    })
    expect([text, headers['x-late']]).toEqual(['body!', '1'])
  })

  it('is sent as it was at its end, whatever an error handler makes of it that finds it unsent', async () => {
    const { status, statusMessage, text, headers, rawHeaders } = await answered((res) => {
      res.setHeader('X-Kept', 'as it was').setHeader('X-Changed', 'before')
      res.statusCode = 201
      res.statusMessage = 'Made'
      res.end('{"ok":true}')
      expect(res.headersSent).toBe(false)
      res.statusCode = 500
      res.statusMessage = 'Internal Server Error'
      res.setHeader('Content-Length', 5).setHeader('x-changed', 'after')
      res.end('error')
    })
    expect({ status, statusMessage, text }).toEqual({ status: 201, statusMessage: 'Made', text: '{"ok":true}' })
    expect(headers).toMatchObject({ 'x-kept': 'as it was', 'x-changed': 'before' })
    expect(rawHeaders).toContain('X-Kept')
  })

  it('has the status that was written after its end, as long as it was not sent', async () => {
    const { status, text } = await answered((res) => {
      res.setHeader('x-early', '1').end('body')
      res.writeHead(202, { 'x-late': '1' })
    })
    expect([status, text]).toEqual([202, 'body'])
  })

  it('is left alone where it had ended before the first task', async () => {
    const { queue, waiting } = gatedQueue()
    const tasksFor = createTasksFor({ queue })
    await using server = await listening(
      createServer((_request, res) => {
        const { end } = res
        res.end('ended')
        tasksFor(res).add(audit, 'x')
        expect(res.end).toBe(end)
      }),
    )
    expect((await answerOf(server.url)).text).toBe('ended')
    await until(() => waiting.length === 1, 'the queue to be asked')
    waiting[0]?.resolve()
    await tasksFor.drain()
  })

  it('is not in the way of the next one on the same connection', async () => {
    const { queue, waiting } = gatedQueue()
    const tasksFor = createTasksFor({ queue })
    await using server = await listening(
      createServer((incoming, res) => {
        tasksFor(res).add(audit, incoming.url as string)
        res.end(incoming.url)
      }),
    )
    const socket = connectSocket(server.port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.write('GET /one HTTP/1.1\r\nhost: x\r\n\r\nGET /two HTTP/1.1\r\nhost: x\r\n\r\n')
    await until(() => waiting.length === 2, 'both')
    waiting[1]?.resolve()
    waiting[0]?.resolve()
    await until(() => text.includes('/two'), 'the second')
    expect(text.indexOf('/one')).toBeLessThan(text.indexOf('/two'))
    socket.destroy()
  })

  it('has its tasks all the same when its client leaves meanwhile', async () => {
    const { queue, waiting, asked } = gatedQueue()
    const tasksFor = createTasksFor({ queue })
    const deliveries: unknown[] = []
    const here = defineTask({
      name: 'here',
      inline: true,
      run: (_input: unknown, { outcome }) => void deliveries.push(outcome.delivery),
    })
    await using server = await listening(
      createServer((_request, res) => {
        tasksFor(res).add(audit, 'x')
        tasksFor(res).add(here, undefined)
        res.end('never seen')
        res.on('close', () => waiting[0]?.resolve())
      }),
    )
    const client = get(server.url).on('error', () => {})
    await asked()
    client.destroy()
    await until(() => deliveries.length > 0, 'the task that runs here')
    expect(deliveries).toEqual(['aborted'])
    expect(await tasksFor.drain()).toMatchObject({ abandoned: [] })
    expect(waiting).toHaveLength(1)
  })

  it('asks the queue once, by the status it has at its end, and ends at once where nothing goes there', async () => {
    const { queue, waiting } = gatedQueue()
    const tasksFor = createTasksFor({ queue, runOn: 'success' })
    await using server = await listening(
      createServer((_request, res) => {
        const { end } = res
        tasksFor(res).add(() => {})
        res.end('at once')
        expect(res.writableEnded).toBe(true)
        expect(res.end).toBe(end)
      }),
    )
    expect((await answerOf(server.url)).text).toBe('at once')
    await tasksFor.drain()
    expect(waiting).toEqual([])
  })

  it('is not held without a queue', async () => {
    const tasksFor = createTasksFor()
    await using server = await listening(
      createServer((_request, res) => {
        const { end } = res
        tasksFor(res).add(audit, 'x')
        expect(res.end).toBe(end)
        res.end()
      }),
    )
    expect((await answerOf(server.url)).status).toBe(200)
    await tasksFor.drain()
  })

  it('may be a bare object, as of a test client, that has no end', async () => {
    const { queue, waiting, asked } = gatedQueue()
    const tasksFor = createTasksFor({ queue })
    const res = {}
    tasksFor(res).add(audit, 'x')
    expect(res).not.toHaveProperty('end')
    await asked()
    waiting[0]?.resolve()
    await tasksFor.drain()
  })

  it('is held for each of two tasksFor', async () => {
    const one = gatedQueue()
    const two = gatedQueue()
    const [tasksForOne, tasksForTwo] = [createTasksFor({ queue: one.queue }), createTasksFor({ queue: two.queue })]
    await using server = await listening(
      createServer((_request, res) => {
        tasksForOne(res).add(audit, 'x')
        tasksForOne(res).add(audit, 'y')
        tasksForTwo(res).add(audit, 'z')
        res.end('both')
      }),
    )
    const answer = answerOf(server.url)
    await two.asked()
    two.waiting[0]?.resolve()
    await one.asked()
    one.waiting[0]?.resolve()
    expect((await answer).text).toBe('both')
    expect([one.waiting.length, two.waiting.length]).toEqual([1, 1])
  })

  it('answers 500 where its chunk is none, and prints why, instead of ending the process', async () => {
    expect((await answered((res) => res.end(123 as never))).status).toBe(500)
    expect(takePrinted()).toEqual([expect.stringMatching('could not be ended: TypeError')])
  })

  it('has nothing of its own in the answer 500 when the queue does not take the tasks', async () => {
    await using server = await serving((res) => {
      res.statusMessage = 'Made'
      res.setHeader('content-length', 4).setHeader('set-cookie', ['a=1', 'b=2']).setHeader('etag', 'x').end('body')
    })
    const answer = answerOf(server.url)
    await server.asked()
    server.waiting[0]?.reject(new QueueError('down'))
    const { status, statusMessage, headers, text } = await answer
    expect([status, statusMessage, text]).toEqual([500, 'Internal Server Error', ''])
    expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['set-cookie']))
    expect(headers).not.toHaveProperty('etag')
    expect(takePrinted()).toHaveLength(1)
  })
})

describe('a response of HTTP/2 whose end is held', () => {
  async function http2Answer(respond: (res: Http2ServerResponse) => unknown, failure?: Error) {
    const { queue, waiting, asked } = gatedQueue()
    const tasksFor = createTasksFor({ queue })
    const server = createHttp2Server((_request, res) => {
      tasksFor(res as never).add(audit, 'x')
      respond(res)
    })
    const warnings: Error[] = []
    const warn = (warning: Error): void => void warnings.push(warning)
    process.on('warning', warn)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    try {
      const stream = session.request({ ':path': '/' })
      const responded = once(stream, 'response')
      const text = (async () => {
        let all = ''
        for await (const chunk of stream.setEncoding('utf8')) all += chunk
        return all
      })()
      text.catch(() => {})
      await asked()
      if (failure) waiting[0]?.reject(failure)
      else waiting[0]?.resolve()
      const [{ ':status': status }] = (await responded) as [{ ':status': number }]
      return { status, text: await text }
    } finally {
      session.close()
      server.close()
      await tasksFor.drain()
      await new Promise((resolve) => setImmediate(resolve))
      process.off('warning', warn)
      expect(warnings).toEqual([])
    }
  }

  it('ends when the queue has the tasks', async () => {
    expect(await http2Answer((res) => res.end('body'))).toEqual({ status: 200, text: 'body' })
  })

  it('is answered with 500 when the queue does not take them', async () => {
    expect(await http2Answer((res) => res.end('body'), new QueueError('down'))).toEqual({ status: 500, text: '' })
    expect(takePrinted()).toHaveLength(1)
  })

  it('is an error to its client, not a short answer, when it has a status already', async () => {
    const cut = http2Answer((res) => {
      res.writeHead(200)
      res.write('some ')
      res.end('more')
    }, new QueueError('down'))
    await expect(cut).rejects.toMatchObject({ code: 'ERR_HTTP2_STREAM_ERROR' })
    expect(takePrinted()).toHaveLength(1)
  })
})
