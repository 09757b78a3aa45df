import diagnostics from 'node:diagnostics_channel'
import { createServer, request } from 'node:http'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { node, trackResponses } from '../../adapters/node.ts'
import { connected, listening, until } from '../_server.ts'
import { endsOf, wrapped } from '../_wrapped.ts'

/** A framework that gives its handler nothing but a Request, and writes the response some turns later. */
function framework(
  handler: (request: Request) => Response | Promise<Response>,
  ending = async (_body: string): Promise<void> => {},
  closed = (_body: string): void => {},
) {
  return listening(
    createServer(async (req, res) => {
      const response = await handler(new Request(`http://localhost${req.url}`))
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 1))
      res.writeHead(response.status)
      res.write('first')
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
      const body = await response.text()
      res.on('close', () => closed(body))
      await ending(body)
      res.end(body)
    }),
  )
}

function burn(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('without trackResponses a task may start before the last byte has left', async () => {
  const { handler, events } = wrapped((tasks) => {
    tasks.add(burn, 0)
    return new Response('last')
  })
  await using server = await framework(handler)
  expect(await (await fetch(server.url)).text()).toBe('firstlast')
  await handler.drain()
  expect(endsOf(events)[0]?.delivery).toBe('returned')
})

describe('with trackResponses, a framework that hands on no response object', () => {
  beforeAll(() => {
    const subscribe = vi.spyOn(diagnostics, 'subscribe')
    trackResponses()
    trackResponses()
    expect(subscribe.mock.calls.length, 'a second call changes nothing').toBe(1)
    subscribe.mockRestore()
  })

  test.each([
    ['detection', {}],
    ['the adapter', { adapter: node() }],
  ])('gets its tasks started after the last byte, by %s', async (_name, options) => {
    const { handler, events } = wrapped((tasks) => {
      tasks.add(burn, 500)
      return new Response('last')
    }, options)
    await using server = await framework(handler)
    const asked = performance.now()
    expect(await (await fetch(server.url)).text()).toBe('firstlast')
    expect(performance.now() - asked).toBeLessThan(400)
    await handler.drain()
    expect(endsOf(events)[0]?.delivery).toBe('flushed')
  })

  test('tells each request of a connection by its own response', async () => {
    const log: string[] = []
    let count = 0
    const { handler } = wrapped((tasks) => {
      const n = ++count
      tasks.add(() => log.push(`task ${n}`))
      return new Response(`${n}`)
    })
    await using server = await framework(
      handler,
      // The second one is still there when the first one has left.
      async (body) => void (body === '2' && (await until(() => log.includes('task 1'), 'the first task'))),
      (body) => log.push(`closed ${body}`),
    )
    const socket = await connected(server.port)
    const get = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'
    let received = ''
    socket.on('data', (data) => (received += data))
    socket.write(get + get)
    await until(() => received.split('first').length === 3, 'both responses')
    socket.write(get)
    await until(() => received.split('first').length === 4, 'the third response')
    await handler.drain()
    expect(log.filter((line) => line.includes('task'))).toEqual(['task 1', 'task 2', 'task 3'])
    for (const n of [1, 2, 3]) expect(log.indexOf(`task ${n}`)).toBeGreaterThan(log.indexOf(`closed ${n}`))
    socket.destroy()
  })

  test('hears that the client left', async () => {
    const { promise: left, resolve: leave } = Promise.withResolvers<void>()
    const { handler, events } = wrapped(async (tasks) => {
      tasks.add(() => {})
      client.destroy()
      await left
      return new Response('never')
    })
    await using server = await framework((req) => handler(req))
    const client = request(server.url)
    client.on('error', () => leave())
    client.end()
    await until(() => endsOf(events).length > 0, 'the task to end')
    expect(endsOf(events).map(({ type, delivery }) => [type, delivery])).toEqual([['succeeded', 'aborted']])
  })

  test('is left alone where a call has a response of its own', async () => {
    const { handler, events } = wrapped((tasks) => {
      tasks.add(() => {})
      return new Response('inner')
    })
    await using server = await framework(async (req) => {
      await handler(req, { outgoing: { writableFinished: undefined } })
      await handler.drain()
      return new Response('last')
    })
    await (await fetch(server.url)).text()
    expect(endsOf(events)[0]?.delivery).toBe('returned')
  })
})
