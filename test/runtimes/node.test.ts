import { once } from 'node:events'
import http2 from 'node:http2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../_server.ts'
import type { Line } from './_app.ts'
import { node } from './_hosts.ts'
import { type Runtime, spawned } from './_start.ts'
import { testRuntime } from './_suite.ts'

testRuntime(() => spawned('node/bin/node', ['_node.ts']), node)

describe('HTTP/2', () => {
  let runtime: Runtime
  let client: http2.ClientHttp2Session

  beforeAll(async () => {
    runtime = await spawned('node/bin/node', ['_node.ts', 'http2'])
    client = http2.connect(`http://127.0.0.1:${runtime.port}`)
    await once(client, 'connect')
  })

  afterAll(async () => {
    client.destroy()
    await runtime.stop()
    expect(runtime.stderr()).toBe('')
  })

  async function text(stream: http2.ClientHttp2Stream): Promise<string> {
    let body = ''
    for await (const chunk of stream) body += chunk
    return body
  }

  const get = (path: string): Promise<string> => text(client.request({ ':path': path }).end())

  async function lines(id: string, ends: number): Promise<Line[]> {
    let told: Line[] = []
    const ended = (): boolean => told.filter(({ type }) => /succeeded|failed/.test(type)).length >= ends
    while (!ended()) told = JSON.parse(await get(`/log?id=${id}`))
    return told
  }

  test('the last byte is on the wire before a task that burns CPU starts', async () => {
    await get('/plain/fixed?id=warm&tasks=quick')
    const sentAt = performance.now()
    expect(await get('/plain/stream?id=h2&tasks=burn')).toBe('0\n1\n2\n3\n4\n')
    expect(performance.now() - sentAt).toBeLessThan(250)
    expect((await lines('h2', 1)).at(-1)?.delivery).toBe('flushed')
  })

  test('a stream that was reset is aborted, and its tasks run', async () => {
    const stream = client.request({ ':path': '/plain/endless?id=reset&tasks=quick' }).end()
    stream.on('error', () => {})
    await once(stream, 'data')
    stream.close(http2.constants.NGHTTP2_CANCEL)
    expect((await lines('reset', 1)).at(-1)?.delivery).toBe('aborted')
  })

  test('a request whose body was left unread has its tasks run', async () => {
    const stream = client.request({ ':path': '/plain/fixed?id=unread&tasks=quick', ':method': 'POST' })
    stream.on('error', () => {})
    stream.write('never ended')
    let ended = false
    lines('unread', 1).then(() => {
      ended = true
    })
    stream.resume()
    await until(() => ended, 'the task')
    stream.close()
  })
})
