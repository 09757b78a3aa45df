import { describe, expect, test, vi } from 'vitest'
import { detached } from '../../adapters/detached.ts'
import { type BackgroundTasksOptions, type RunOn, withBackgroundTasks } from '../../src/index.ts'
import { deferred, ok, turn, wrapped } from '../_wrapped.ts'
import { testAdapter } from '../conformance/adapter.ts'

testAdapter(detached(), { delivery: 'returned' })

const encoder = new TextEncoder()

/** A handler with one task whose response has this body. */
function streaming(body: BodyInit | null, init: ResponseInit = {}, options: BackgroundTasksOptions = {}) {
  const original = new Response(body, init)
  const made = wrapped(
    (tasks) => {
      tasks.add(function task() {})
      return original
    },
    { adapter: detached(), ...options },
  )
  return { ...made, original }
}

function chunks(...texts: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await turn()
      const text = texts.shift()
      if (text === undefined) controller.close()
      else controller.enqueue(encoder.encode(text))
    },
  })
}

const events = { headers: { 'content-type': 'text/event-stream; charset=utf-8' } }

describe('a body that is tracked', () => {
  test('holds the tasks back until its last byte was read, and is the same bytes with the same head', async () => {
    const { call, handler, log } = streaming(chunks('a', 'b', 'c'), { ...events, status: 201, statusText: 'Made' })
    const response = await call()
    expect([response.status, response.statusText]).toEqual([201, 'Made'])
    expect([...response.headers]).toEqual([['content-type', 'text/event-stream; charset=utf-8']])
    const reader = response.body?.getReader()
    await reader?.read()
    await turn()
    expect(log()).toEqual(['added task'])
    let text = ''
    for (let read = await reader?.read(); !read?.done; read = await reader?.read())
      text += new TextDecoder().decode(read?.value)
    expect(text).toBe('bc')
    await handler.drain()
    expect(log().at(-1)).toBe('succeeded task')
  })

  test('that is cancelled lets the tasks start, as aborted, and the producer hears of it', async () => {
    const cancelled = deferred<unknown>()
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(encoder.encode('x')),
      cancel: cancelled.resolve,
    })
    const { call, handler, events: seen } = streaming(body, events)
    const reader = (await call()).body?.getReader()
    await reader?.read()
    await reader?.cancel('gone')
    expect(await cancelled.promise).toBe('gone')
    await handler.drain()
    expect(seen.at(-1)).toMatchObject({ type: 'succeeded', delivery: 'aborted' })
  })

  test('that fails lets the tasks start, as aborted, and the reader gets the error', async () => {
    const body = new ReadableStream({
      pull: () => {
        throw new Error('source')
      },
    })
    const { call, handler, events: seen } = streaming(body, events)
    await expect((await call()).text()).rejects.toThrow('source')
    await handler.drain()
    expect(seen.at(-1)).toMatchObject({ type: 'succeeded', delivery: 'aborted' })
  })

  test('that nobody reads counts as returned after 100 ms', async () => {
    const { call, handler, events: seen } = streaming(chunks('a'), events)
    await call()
    await turn()
    expect(seen.length).toBe(1)
    await handler.drain()
    expect(seen.at(-1)).toMatchObject({ type: 'succeeded', delivery: 'returned' })
    expect((seen.at(-1)?.at ?? 0) - (seen[0]?.at ?? 0)).toBeGreaterThanOrEqual(95)
  })

  test('that is read after those 100 ms is still whole, and the tasks run once', async () => {
    const { call, handler, events: seen } = streaming(chunks('a', 'b'), events)
    const response = await call()
    await handler.drain()
    expect(await response.text()).toBe('ab')
    await turn()
    await turn()
    expect(seen.map(({ type }) => type)).toEqual(['added', 'started', 'succeeded'])
  })

  test('that is read slowly, past those 100 ms, still holds the tasks back', async () => {
    const { call, handler, log } = streaming(chunks('a', 'b'), events)
    const reader = (await call()).body?.getReader()
    await reader?.read()
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(log()).toEqual(['added task'])
    await reader?.cancel()
    await handler.drain()
    expect(log().at(-1)).toBe('succeeded task')
  })

  test('is not pulled before it is read', async () => {
    let pulls = 0
    const body = new ReadableStream({ pull: () => void pulls++ }, { highWaterMark: 0 })
    const { call, handler } = streaming(body, events)
    await call()
    await turn()
    expect(pulls).toBe(0)
    await handler.drain()
  })

  test('may be made of the same buffer again and again', async () => {
    const ping = encoder.encode('ping ')
    let left = 3
    const body = new ReadableStream({
      pull: (controller) => (left-- > 0 ? controller.enqueue(ping) : controller.close()),
    })
    const { call, handler } = streaming(body, events)
    expect(await (await call()).text()).toBe('ping ping ping ')
    await handler.drain()
  })

  test("that is a byte stream can still be read into the reader's own buffer, to its end", async () => {
    let left = 2
    const body = new ReadableStream({
      type: 'bytes',
      pull: (controller) => (left-- > 0 ? controller.enqueue(encoder.encode('abc')) : controller.close()),
    })
    const { call, handler, log } = streaming(body, events)
    const reader = (await call()).body?.getReader({ mode: 'byob' })
    let text = ''
    for (;;) {
      const read = await reader?.read(new Uint8Array(2))
      if (!read || read.done) break
      text += new TextDecoder().decode(read.value)
    }
    expect(text).toBe('abcabc')
    await handler.drain()
    expect(log().at(-1)).toBe('succeeded task')
  })

  test.each([
    ['text/event-stream'],
    ['application/x-ndjson'],
    ['application/jsonl'],
    ['multipart/x-mixed-replace; boundary=x'],
    ['text/x-component'],
  ])("is, with start 'auto', one of type %s", async (type) => {
    const { call, handler, original } = streaming('data', { headers: { 'content-type': type } })
    const response = await call()
    expect(response).not.toBe(original)
    expect(await response.text()).toBe('data')
    await handler.drain()
  })

  test("is, with start 'auto', one with transfer-encoding: chunked", async () => {
    const { call, handler, original } = streaming('data', { headers: { 'transfer-encoding': 'chunked' } })
    const response = await call()
    expect(response).not.toBe(original)
    await response.text()
    await handler.drain()
  })

  test.each<RunOn>(['response', () => true])(
    "is, with start 'body', any, also where its producer adds the first task (runOn: %s)",
    async (runOn) => {
      const log: string[] = []
      const handler = withBackgroundTasks(
        (_request, tasks) => {
          const texts = ['a', 'b']
          return new Response(
            new ReadableStream({
              async pull(controller) {
                await turn()
                const text = texts.shift()
                if (text === 'a') tasks.add(() => log.push('task'))
                log.push(text ?? 'end')
                if (text) controller.enqueue(encoder.encode(text))
                else controller.close()
              },
            }),
          )
        },
        { adapter: detached(), start: 'body', runOn },
      )
      await (await handler(new Request('http://localhost/'))).text()
      await handler.drain()
      expect(log).toEqual(['a', 'b', 'end', 'task'])
    },
  )
})

describe('a response that is not wrapped, and whose tasks run', () => {
  const body = { start: 'body' } as const

  test.each<[string, Response]>([
    ['a 204', new Response(null, { status: 204 })],
    ['a 205', new Response(null, { status: 205 })],
    ['a 304', new Response(null, { status: 304 })],
    ['a redirect', Response.redirect('http://localhost/there')],
    ['a redirect with a body', new Response('over there', { status: 303, headers: { location: '/there' } })],
    ['Response.error()', Response.error()],
    ['a response without a body', new Response(null)],
    // A Response with this status can be made by workerd and Deno only.
    ['a 101', Object.defineProperty(new Response('x'), 'status', { value: 101 })],
  ])('is %s', async (_name, response) => {
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(() => {})
        return response
      },
      { adapter: detached(), ...body },
    )
    expect(await call()).toBe(response)
    expect((await handler.drain()).succeeded).toBe(1)
  })

  test("is the answer to HEAD, and one with start 'response'", async () => {
    const head = streaming(chunks('a'), events)
    expect(await head.handler(new Request('http://localhost/', { method: 'HEAD' }))).toBe(head.original)
    expect((await head.handler.drain()).succeeded).toBe(1)
    const other = streaming(chunks('a'), events, { start: 'response' })
    expect(await other.call()).toBe(other.original)
    expect((await other.handler.drain()).succeeded).toBe(1)
  })

  test('is one whose body is locked', async () => {
    const { call, handler, original } = streaming('x', events, body)
    original.body?.getReader()
    expect(await call()).toBe(original)
    expect((await handler.drain()).succeeded).toBe(1)
  })

  test('is one whose body was used, so that the host refuses it as it would without us', async () => {
    const { call, handler, original } = streaming(chunks('a', 'b'), events, body)
    const reader = original.body?.getReader()
    await reader?.read()
    reader?.releaseLock()
    expect(original.bodyUsed).toBe(true)
    expect(await call()).toBe(original)
    expect((await handler.drain()).succeeded).toBe(1)
  })

  test("with start 'auto' is an ordinary one, whose body is not even looked at", async () => {
    const response = ok()
    Object.defineProperty(response, 'body', { get: () => expect.fail('body was read') })
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(() => {})
        return response
      },
      { adapter: detached() },
    )
    expect(await call()).toBe(response)
    await handler.drain()
  })
})

test('a tracked body that nobody reads counts as returned also where a test has installed fake timers', async () => {
  const { handler, call, log } = wrapped(
    (tasks) => {
      tasks.add(function task() {})
      return ok()
    },
    { adapter: detached(), start: 'body' },
  )
  const real = setTimeout
  vi.useFakeTimers()
  try {
    await call()
    await new Promise((resolve) => real(resolve, 300))
    expect(log().at(-1)).toBe('succeeded task')
  } finally {
    vi.useRealTimers()
  }
  await handler.drain()
})
