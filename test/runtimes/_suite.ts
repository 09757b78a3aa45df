/** What users rely on, over raw sockets, on any runtime. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Line } from './_app.ts'
import { RawClient, type RawResponse } from './_client.ts'
import type { Runtime } from './_start.ts'

/** What the host can tell; what it cannot stands in its adapter's `lacks`. */
export interface Host {
  /** The delivery of a response that went well. */
  readonly delivery: 'flushed' | 'returned'
  /** Deliveries of responses whose client left: before the body, and during it. */
  readonly abortedBefore: string
  readonly abortedDuring: string
  /** Whether a first `add` from inside a body producer waits for the end of the body, without `start: 'body'`. */
  readonly addInBody: boolean
  /** The largest body behind which a task that burns CPU cannot hold anything back, in MB. */
  readonly largestBody: number
  /** Whether `Connection: close` ends the socket at once. */
  readonly closes: boolean
}

/**
 * A response that waits for no task comes in a small part of the time until its burning task has ended; one that waits in
 * all of it: `naive` shows it. A part and not milliseconds, as a busy machine stretches both.
 */
const PROMPT = 0.5

let nextId = 0

export function testRuntime(start: () => Promise<Runtime>, host: Host): void {
  let runtime: Runtime

  beforeAll(async () => {
    runtime = await start()
    // The first request of a runtime pays for its compilation.
    await ask('/plain/fixed?id=warm&tasks=burn')
    await lines('warm', 1)
  })

  afterAll(async () => {
    await runtime.stop()
    expect(runtime.stderr(), 'nothing was printed to standard error').toBe('')
  })

  async function ask(path: string, method = 'GET', headers = ''): Promise<RawResponse> {
    using client = await RawClient.to(runtime.port)
    client.send({ path, method, headers })
    return await client.response(method)
  }

  const freshId = (): string => `r${nextId++}`

  /** What was told of a request's tasks, once so many of them have ended. */
  async function lines(id: string, ends: number): Promise<Line[]> {
    const deadline = performance.now() + 15_000
    for (;;) {
      const told: Line[] = JSON.parse((await ask(`/log?id=${id}`)).body)
      if (told.filter(({ type }) => /succeeded|failed|discarded|abandoned|disposed/.test(type)).length >= ends)
        return told
      if (performance.now() > deadline) throw new Error(`of ${ends} tasks not all have ended: ${JSON.stringify(told)}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Sends a request with tasks, and measures in which part of the time until they have ended the response came. */
  async function race(path: string, ends = 1, method = 'GET'): Promise<RawResponse & { part: number; told: Line[] }> {
    const id = freshId()
    const sentAt = performance.now()
    const response = await ask(`${path}${path.includes('?') ? '&' : '?'}id=${id}`, method)
    const told = await lines(id, ends)
    return { ...response, told, part: response.ms / (performance.now() - sentAt) }
  }

  /** The response to a request with a burning task came before that task, which ran. */
  async function expectFirst(path: string, method = 'GET'): Promise<RawResponse> {
    const { part, told, ...response } = await race(`${path}${path.includes('?') ? '&' : '?'}tasks=burn`, 1, method)
    expect(part).toBeLessThan(PROMPT)
    expect(told.at(-1)).toEqual({ type: 'succeeded', name: 'burn', delivery: host.delivery })
    return response
  }

  test('a naive start in a microtask holds the response back: this suite would see it', async () => {
    expect((await race('/naive/fixed?tasks=burn')).part).toBeGreaterThan(PROMPT)
  })

  describe.each(['plain', 'hono', 'explicit'])(
    'the last byte is on the wire before a task that burns CPU starts: %s',
    (wrapper) => {
      test('a fixed body, with its length and type', async () => {
        const { status, headers, body } = await expectFirst(`/${wrapper}/fixed`)
        expect([status, body]).toEqual([200, 'fixed body'])
        expect(headers.get('content-length')).toBe('10')
        expect(headers.get('content-type')?.toLowerCase().replace(' ', '')).toBe('text/plain;charset=utf-8')
      })

      test('a stream', async () => {
        const { headers, body } = await expectFirst(`/${wrapper}/stream`)
        expect(body).toBe('0\n1\n2\n3\n4\n')
        expect(headers.get('content-type')).toBe('application/x-ndjson')
      })

      test('server-sent events', async () => {
        const { headers, body } = await expectFirst(`/${wrapper}/sse`)
        expect(body.match(/\d/g)).toEqual(['0', '1', '2', '3', '4'])
        expect(headers.get('content-type')).toBe('text/event-stream')
      })

      test.each([204, 304])('a %s', async (status) => {
        expect((await expectFirst(`/${wrapper}/empty?status=${status}`)).status).toBe(status)
      })

      test('the answer to HEAD', async () => {
        expect((await expectFirst(`/${wrapper}/fixed`, 'HEAD')).status).toBe(200)
      })

      test('a redirect', async () => {
        const { status, headers } = await expectFirst(`/${wrapper}/redirect`)
        expect([status, new URL(headers.get('location') ?? '').pathname]).toEqual([302, '/there'])
      })

      test('an error that the handler made itself', async () => {
        expect((await expectFirst(`/${wrapper}/error`)).status).toBe(500)
      })
    },
  )

  // Lists share what starts them, and it may be on its way already.
  test('the last byte is on the wire before a task that burns CPU, while the list of another response is about to start', async () => {
    // These tasks are short, so that there can be many, and what holds the machine up for a moment is a large part of one.
    // It leaves as it is how much of the task was still to come when the response was there: nothing, had it waited for it.
    let hogMs = Infinity
    for (let i = 0; i < 3; i++) hogMs = Math.min(hogMs, (await race('/naive/fixed?tasks=hog')).ms)
    for (let tenths = 0; tenths < 20; tenths++) {
      using other = await RawClient.to(runtime.port)
      other.send({ path: `/plain/fixed?id=${freshId()}&tasks=quick` })
      for (const until = performance.now() + tenths / 10; performance.now() < until; );
      const { ms, part } = await race('/plain/fixed?tasks=hog')
      expect(ms / part - ms, `left of ${hogMs} ms, ${tenths / 10} ms later`).toBeGreaterThan(hogMs / 4)
      await other.response()
    }
  })

  test('a body as large as the host can bear is out before the task burns', async () => {
    const size = host.largestBody * 1_000_000
    expect((await expectFirst(`/plain/big?size=${size}`)).body.length).toBe(size)
  })

  describe.each(['plain', 'hono'])('a handler that throws: %s', (wrapper) => {
    test('is answered with an error, and its tasks are discarded', async () => {
      const id = freshId()
      expect((await ask(`/${wrapper}/throw?id=${id}&tasks=quick,slow`)).status).toBe(500)
      const told = await lines(id, 2)
      expect(told.map(({ type }) => type)).toEqual(['added', 'added', 'discarded', 'discarded'])
    })
  })

  test("with runOn 'always' the tasks of a handler that throws run, after the answer", async () => {
    const { status, part, told } = await race('/always/throw?tasks=burn')
    expect(status).toBe(500)
    expect(part).toBeLessThan(PROMPT)
    expect(told.at(-1)?.type).toBe('succeeded')
  })

  describe('a client that leaves', () => {
    test('before the response has its tasks run, once the handler has returned', async () => {
      const id = freshId()
      const client = await RawClient.to(runtime.port)
      client.send({ path: `/plain/later?id=${id}&tasks=quick` })
      await lines(id, 0)
      client.socket.destroy()
      const told = await lines(id, 1)
      expect(told.map(({ type }) => type)).toEqual(['added', 'started', 'succeeded'])
      expect(told.at(-1)?.delivery).toBe(host.abortedBefore)
    })

    test.each(['plain', 'explicit', 'hono'])('during the body has its tasks run, once: %s', async (wrapper) => {
      const id = freshId()
      const client = await RawClient.to(runtime.port)
      client.send({ path: `/${wrapper}/endless?id=${id}&tasks=quick` })
      await client.received('1\n')
      client.socket.destroy()
      const told = await lines(id, 1)
      expect(told.map(({ type }) => type)).toEqual(['added', 'started', 'succeeded'])
      expect(told.at(-1)?.delivery).toBe(host.abortedDuring)
    })

    test('after the response has its tasks run to their end', async () => {
      const id = freshId()
      await ask(`/plain/fixed?id=${id}&tasks=slow,quick`)
      expect((await lines(id, 2)).at(-1)).toEqual({ type: 'succeeded', name: 'quick', delivery: host.delivery })
    })
  })

  describe('a socket', () => {
    test('serves 50 requests with tasks, one after the other, and nothing is printed', async () => {
      using client = await RawClient.to(runtime.port)
      for (let i = 0; i < 50; i++) {
        client.send({ path: `/plain/fixed?id=k${i}&tasks=quick` })
        expect((await client.response()).body).toBe('fixed body')
      }
      for (let i = 0; i < 50; i++) expect((await lines(`k${i}`, 1)).at(-1)?.type).toBe('succeeded')
      expect(runtime.stderr()).toBe('')
    })

    test('serves a pipeline of three, and each list runs', async () => {
      using client = await RawClient.to(runtime.port)
      const ids = [freshId(), freshId(), freshId()]
      client.send(...ids.map((id) => ({ path: `/plain/fixed?id=${id}&tasks=slow,quick` })))
      for (const _id of ids) expect((await client.response()).body).toBe('fixed body')
      for (const id of ids) expect((await lines(id, 2)).at(-1)?.name).toBe('quick')
    })

    test('that dies has the lists of all that was in its pipeline run', async () => {
      const client = await RawClient.to(runtime.port)
      const [first = '', ...others] = [freshId(), freshId(), freshId()]
      client.send(
        { path: `/plain/endless?id=${first}&tasks=quick` },
        // The handler of the last one ends when the socket has died.
        ...others.map((id, i) => ({ path: `/plain/${i === 0 ? 'fixed' : 'later'}?id=${id}&tasks=quick` })),
      )
      await client.received('HTTP/1.1 200')
      client.socket.destroy()
      expect((await lines(first, 1)).at(-1)?.type).toBe('succeeded')
      // Where the host reads a pipeline ahead they have lists, elsewhere it never saw them.
      for (const id of others) {
        const told = await lines(id, 0)
        if (told.length > 0) expect((await lines(id, 1)).at(-1)?.type).toBe('succeeded')
      }
    })

    test('with Connection: close ends before the task burns, where the host ends it at once', async () => {
      using client = await RawClient.to(runtime.port)
      const id = freshId()
      const sentAt = performance.now()
      client.send({ path: `/plain/fixed?id=${id}&tasks=burn`, headers: 'Connection: close\r\n' })
      const { ms } = await client.response()
      const endMs = host.closes ? await client.end() : ms
      await lines(id, 1)
      expect(Math.max(ms, endMs) / (performance.now() - sentAt)).toBeLessThan(PROMPT)
    })
  })

  describe('a list', () => {
    test('runs 400 tasks in order of adding', async () => {
      const id = freshId()
      await ask(`/plain/fixed?id=${id}&tasks=quick&times=400`)
      const started = (await lines(id, 400)).filter(({ type }) => type === 'started')
      expect(started.map(({ name }) => name)).toEqual(Array.from({ length: 400 }, (_, i) => `quick${i}`))
    })

    test('goes on after a task that fails', async () => {
      const id = freshId()
      await ask(`/plain/fixed?id=${id}&tasks=fail,quick`)
      const ends = (await lines(id, 2)).filter(({ type }) => /failed|succeeded/.test(type))
      expect(ends.map(({ type }) => type)).toEqual(['failed', 'succeeded'])
    })

    test('takes tasks from its tasks', async () => {
      const id = freshId()
      await ask(`/plain/fixed?id=${id}&tasks=nest,slow`)
      const started = (await lines(id, 3)).filter(({ type }) => type === 'started')
      expect(started.map(({ name }) => name)).toEqual(['nest', 'slow', 'quick'])
    })

    test('that has its first task when the response is over runs it', async () => {
      const id = freshId()
      await ask(`/plain/late?id=${id}`)
      const told = await lines(id, 1)
      expect(told.map(({ type, name }) => `${type} ${name}`)).toEqual([
        'added quick',
        'started quick',
        'succeeded quick',
      ])
    })

    test('takes a task after it has settled', async () => {
      const id = freshId()
      await ask(`/plain/late?id=${id}&tasks=nest`)
      expect((await lines(id, 3)).map(({ type }) => type).filter((type) => type === 'succeeded').length).toBe(3)
    })

    test('is one for nested wrappers', async () => {
      const id = freshId()
      await ask(`/nested/fixed?id=${id}&tasks=quick`)
      const started = (await lines(id, 2)).filter(({ type }) => type === 'started')
      expect(started.map(({ name }) => name)).toEqual(['slow', 'quick'])
    })

    test('runs three tasks at once with concurrency 3', async () => {
      const id = freshId()
      await ask(`/three/fixed?id=${id}&tasks=slow&times=6`)
      const steps = (await lines(id, 6)).filter(({ type }) => type !== 'added').map(({ type }) => type)
      expect(steps.slice(0, 4)).toEqual(['started', 'started', 'started', 'succeeded'])
    })

    test('runs each task in the async context of its add', async () => {
      const id = freshId()
      await ask(`/plain/contexts?id=${id}`)
      expect((await lines(id, 2)).filter(({ type }) => type === 'note').map(({ note }) => note)).toEqual(['one', 'two'])
    })

    test("that a body producer opens waits for the end of the body, elsewhere with start 'body'", async () => {
      const { part, told } = await race(`/${host.addInBody ? 'plain' : 'body'}/producer`)
      expect(part).toBeLessThan(PROMPT)
      expect(told.at(-1)?.type).toBe('succeeded')
    })

    test('of 400 tasks of 1 ms lets other requests through', async () => {
      const id = freshId()
      const sentAt = performance.now()
      await ask(`/plain/fixed?id=${id}&tasks=busy&times=400`)
      const others: number[] = []
      for (let i = 0; i < 5; i++) others.push((await ask('/plain/fixed?id=other')).ms)
      await lines(id, 400)
      expect(Math.max(...others) / (performance.now() - sentAt), `${others} ms`).toBeLessThan(PROMPT)
    })
  })

  describe('a task with a policy', () => {
    /** `type name`, or what a task noted, of each line. */
    async function told(path: string, ends: number): Promise<string[]> {
      const id = freshId()
      await ask(`${path}&id=${id}`)
      return (await lines(id, ends)).map(({ type, name, note }) => note ?? `${type} ${name}`)
    }

    test('is tried again after a wait, and keeps its place meanwhile', async () => {
      expect(await told('/plain/fixed?tasks=retried,quick', 2)).toEqual([
        'added retried',
        'added quick',
        'started retried',
        'attempt 1',
        'retrying retried',
        'started retried',
        'attempt 2',
        'retrying retried',
        'started retried',
        'attempt 3',
        'succeeded retried',
        'started quick',
        'succeeded quick',
      ])
    })

    test('that exceeds its time is aborted, has failed, and lets the next one run', async () => {
      expect(await told('/hono/fixed?tasks=limited,quick', 2)).toEqual([
        'added limited',
        'added quick',
        'started limited',
        'TaskTimeoutError',
        'failed limited',
        'started quick',
        'succeeded quick',
      ])
    })

    test('runs by its own rule where the others are discarded', async () => {
      expect(await told('/plain/throw?tasks=quick,always', 2)).toEqual([
        'added quick',
        'added always',
        'discarded quick',
        'started always',
        'threw: true',
        'succeeded always',
      ])
    })

    test('finds its resources open, and they are disposed of after the last task, the last one first', async () => {
      expect(await told('/plain/resources?tasks=slow,nest', 5)).toEqual([
        'added slow',
        'added nest',
        'started slow',
        'succeeded slow',
        'started nest',
        'added quick',
        'succeeded nest',
        'started quick',
        'succeeded quick',
        'disposed second',
        'disposed first',
      ])
    })

    test('has its resources disposed of where there is no task', async () => {
      expect(await told('/plain/resources?', 2)).toEqual(['disposed second', 'disposed first'])
    })
  })
}
