/** What every engine of a `TaskQueue` has to do; called by each engine's own test. */
import {
  defineTask,
  NonRetryableError,
  type QueueFeature,
  type Task,
  type TaskEvent,
  type TaskQueue,
} from 'background-tasks'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { EngineOptions } from '../../adapters/queues/_engine.ts'
import { type Kind, openQueue } from '../queues/_open.ts'
import type { Server } from '../queues/_server-process.ts'
import { startWorker, type WorkerProcess } from '../queues/_worker.ts'

export interface QueueUnderTest {
  readonly kind: Kind
  /** The url of its server, or the directory; called when the tests run. */
  readonly url: () => string
  /** Where it has one, to be killed and frozen. */
  readonly server?: () => Server
  /** Resolves when what was enqueued for a task outlives a crash of the server, where that is later than the engine says. */
  readonly saved?: (task: string) => Promise<void>
  /** What the engine says it lacks. */
  readonly lacks: TaskQueue['lacks']
}

const LEASE_MS = 10_000

/** Waits until something holds. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string, ms = 10_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`still waiting after ${ms} ms: ${what}`)
    await sleep(10)
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

let names = 0
/** A name that no other test has. */
const fresh = (what: string): string => `${what} ${process.pid}-${names++}`

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const sorted = (list: readonly number[]): number[] => [...list].sort((a, b) => a - b)

// Not `runIf`, which would count as skipped: that an engine lacks it is tested as well.
const describeIf = (holds: boolean) => (name: string, tests: () => void) => {
  if (holds) describe(name, tests)
}
const itIf = (holds: boolean) => (name: string, test: () => Promise<void>) => {
  if (holds) it(name, test)
}

export function describeQueue({ kind, url, server, saved, lacks }: QueueUnderTest): void {
  const opened: TaskQueue<any>[] = []
  const open = async (options?: EngineOptions): Promise<TaskQueue<any>> => {
    const queue = await openQueue(kind, url(), options)
    opened.push(queue)
    return queue
  }
  let queue: TaskQueue<any>
  const has = (feature: QueueFeature): boolean => lacks[feature] === undefined

  beforeAll(async () => {
    queue = await open()
    await queue.ready()
  }, 60_000)
  afterAll(async () => {
    await Promise.all(opened.map((one) => one.close()))
  })

  /** A task that keeps what it ran. */
  const recording = <I>(what: string, run: (input: I, context: any) => unknown = () => {}, more: object = {}) => {
    const ran: { input: I; id: string; attempt: number }[] = []
    const task = defineTask({
      name: fresh(what),
      ...more,
      run: async (input: I, context) => {
        ran.push({ input, id: context.id, attempt: context.attempt })
        return (await run(input, context)) as unknown
      },
    })
    return { task, ran }
  }

  /** What went on in a worker. */
  const watched = () => {
    const events: TaskEvent[] = []
    const errors: { error: any; id: string; name: string; attempt: number }[] = []
    return {
      events,
      errors,
      observer: (event: TaskEvent) => void events.push(event),
      onError: (error: unknown, info: { id: string; name: string; attempt: number }) =>
        void errors.push({ error, ...info }),
      types: () => events.map(({ type }) => type),
      ended: () => events.some(({ type }) => ['succeeded', 'failed', 'abandoned'].includes(type)),
    }
  }

  describe(`what it is given (${kind})`, () => {
    it('runs a task in a worker, with its input, id, name and attempt', async () => {
      const seen: any[] = []
      const task = defineTask({
        name: fresh('greet'),
        run: (input: { to: string }, context) => void seen.push([input, context]),
      })
      await using worker = await queue.work([task])
      const { id } = await queue.enqueue(task, { to: 'ada' })
      await eventually(() => seen.length > 0, 'the task')
      const [[input, context]] = seen
      expect(input).toEqual({ to: 'ada' })
      expect(context).toMatchObject({ id, name: task.name, attempt: 1, outcome: { threw: false } })
      expect(context.signal.aborted).toBe(false)
      await worker.close()
    })

    it('runs what was enqueued before there was a worker', async () => {
      const { task, ran } = recording<number>('early')
      await queue.enqueueAll(numbers(5).map((input) => ({ task, input })))
      await using _worker = await queue.work([task], { concurrency: 5 })
      await eventually(() => ran.length === 5, 'five tasks')
      expect(sorted(ran.map(({ input }) => input))).toEqual(numbers(5))
    })

    it('brings strings of every kind back as they were: U+0000, lone surrogates, quotes, all planes', async () => {
      const input = {
        text: ['\u0000', 'a\u0000b', '\ud800', '\udc00x', '\u2028', '"\\', '😀', '\uffff'],
        '\u0000key': 1,
      }
      const { task, ran } = recording<typeof input>('strings', (given) => given)
      await using _worker = await queue.work([task])
      const { id } = await queue.enqueue(task, input)
      await eventually(() => ran.length === 1, 'the task')
      expect(ran[0]?.input).toEqual(input)
      if (!has('get')) return
      await eventually(async () => (await queue.get(task, id))?.state === 'succeeded', 'its end')
      expect((await queue.get(task, id))?.result).toEqual(input)
    })

    it.each([
      ['a BigInt', 1n],
      ['a function', () => {}],
      ['a symbol', Symbol('x')],
      ['NaN', Number.NaN],
      ['Infinity', Number.POSITIVE_INFINITY],
      ['a Map', new Map()],
      ['a Set', new Set()],
      ['a Date', new Date()],
      ['an instance of a class', new (class Money {})()],
      ['undefined in an array', [undefined]],
    ])(
      'refuses an input with %s, at once and by a TaskInputError that names the task and the place',
      async (_what, value) => {
        const { task, ran } = recording<unknown>('refused')
        const refused = queue.enqueue(task, { deep: [{ value }] })
        await expect(refused).rejects.toMatchObject({
          name: 'TaskInputError',
          message: expect.stringContaining(task.name),
        })
        await expect(refused).rejects.toThrow(/deep\.0\.value/)
        expect(ran).toEqual([])
      },
    )

    it('refuses a cycle, and one that is too large', async () => {
      const { task } = recording<unknown>('refused')
      const cycle: { self?: object } = {}
      cycle.self = cycle
      await expect(queue.enqueue(task, cycle)).rejects.toMatchObject({ name: 'TaskInputError' })
      const large = 'x'.repeat(2_000_000)
      await expect(queue.enqueue(task, large)).rejects.toMatchObject({ name: 'TaskInputError', message: /bytes/ })
    })

    it('takes an input of nearly the limit', async () => {
      const { task, ran } = recording<string>('large')
      const input = 'x'.repeat(queue.limits.payloadBytes - 2000)
      await using _worker = await queue.work([task])
      await queue.enqueue(task, input)
      await eventually(() => ran.length === 1, 'the task')
      expect(ran[0]?.input.length).toBe(input.length)
    })

    it('takes any string that is not empty as an id, and gives it back', async () => {
      const ids = ['1', '007', 'a:b', 'order/42?x=é', '😀', 'x'.repeat(300), 'a b', "'; drop table job --", '%3A']
      const { task, ran } = recording<number>('ids')
      await using _worker = await queue.work([task], { concurrency: 3 })
      const given = await queue.enqueueAll(ids.map((id, input) => ({ task, input, options: { id } })))
      expect(given).toEqual(ids.map((id) => ({ id })))
      await eventually(() => ran.length === ids.length, 'all of them')
      expect(ran.map(({ id, input }) => [input, id]).sort()).toEqual(ids.map((id, input) => [input, id]).sort())
      if (!has('get')) return
      for (const id of ids) expect(await queue.get(task, id)).toMatchObject({ id, task: task.name })
    })

    it('refuses bad options and tasks by a TypeError', async () => {
      const { task } = recording<number>('options')
      const wrong: [object, RegExp][] = [
        [{ id: '' }, /'id' must be a string that is not empty/],
        [{ delayMs: -1 }, /'delayMs' must be a number of milliseconds/],
        [{ priority: 1.5 }, /'priority' must be an integer/],
      ]
      for (const [options, message] of wrong) {
        await expect(queue.enqueue(task, 1, options)).rejects.toMatchObject({ name: 'TypeError', message })
      }
      await expect(queue.enqueue((() => {}) as never, 1)).rejects.toMatchObject({ name: 'TypeError' })
      await expect(queue.work([])).rejects.toMatchObject({ name: 'TypeError' })
      await expect(queue.work([task, task])).rejects.toMatchObject({ name: 'TypeError', message: /named/ })
    })

    it('sends none of several where one is unfit', async () => {
      const { task, ran } = recording<unknown>('all or none')
      const other = recording<unknown>('all or none, other')
      const items = [
        { task, input: 1 },
        { task: other.task, input: 2 },
        { task, input: 3n },
      ]
      await expect(queue.enqueueAll(items)).rejects.toMatchObject({ name: 'TaskInputError' })
      await using _worker = await queue.work([task, other.task])
      await queue.enqueue(task, 'last')
      await eventually(() => ran.length > 0, 'the last')
      expect([...ran, ...other.ran].map(({ input }) => input)).toEqual(['last'])
    })

    it('enqueues nothing at all when given nothing', async () => {
      expect(await queue.enqueueAll([])).toEqual([])
    })
  })

  describeIf(has('idempotency'))(`ids (${kind})`, () => {
    it('takes the same task and id as one job, whose first input counts', async () => {
      const { task, ran } = recording<string>('once')
      const id = 'order-1'
      expect(await queue.enqueue(task, 'first', { id })).toEqual({ id })
      expect(await queue.enqueue(task, 'second', { id })).toEqual({ id })
      const again = await queue.enqueueAll(['third', 'fourth'].map((input) => ({ task, input, options: { id } })))
      expect(again).toEqual([{ id }, { id }])
      await using _worker = await queue.work([task], { concurrency: 2 })
      await queue.enqueue(task, 'marker')
      await eventually(() => ran.some(({ input }) => input === 'marker'), 'the marker')
      await eventually(() => ran.length === 2, 'the first')
      expect(ran.map(({ input }) => input).sort()).toEqual(['first', 'marker'])
      await queue.enqueue(task, 'when it is done', { id })
      await queue.enqueue(task, 'last')
      await eventually(() => ran.some(({ input }) => input === 'last'), 'the last')
      expect(ran.map(({ input }) => input).sort()).toEqual(['first', 'last', 'marker'])
    })

    it('takes the same id of two tasks as two jobs', async () => {
      const one = recording<number>('same id')
      const two = recording<number>('same id')
      await using _worker = await queue.work([one.task, two.task])
      await queue.enqueueAll([one, two].map(({ task }, input) => ({ task, input, options: { id: 'x' } })))
      await eventually(() => one.ran.length + two.ran.length === 2, 'both')
      expect([one.ran[0]?.input, two.ran[0]?.input]).toEqual([0, 1])
    })
  })

  describe(`when it starts them (${kind})`, () => {
    it('starts a delayed task when its delay is over, and others before', async () => {
      const { task, ran } = recording<string>('delayed')
      await using _worker = await queue.work([task])
      const delayMs = Math.max(1500, queue.limits.delayStepMs)
      const started = performance.now()
      await queue.enqueue(task, 'later', { delayMs })
      await queue.enqueue(task, 'now')
      await eventually(() => ran.length === 2, 'both', delayMs + 10_000)
      expect(ran.map(({ input }) => input)).toEqual(['now', 'later'])
      expect(performance.now() - started).toBeGreaterThan(delayMs - 50)
    })

    itIf(has('priority'))('starts a higher priority first, below and above the default', async () => {
      const { task, ran } = recording<string>('priority')
      const given: [string, number | undefined][] = [
        ['low', -5],
        ['lowest', -1000],
        ['default', undefined],
        ['highest', 1000],
        ['high', 5],
      ]
      for (const [input, priority] of given) await queue.enqueue(task, input, { priority })
      await using _worker = await queue.work([task])
      await eventually(() => ran.length === given.length, 'all of them')
      expect(ran.map(({ input }) => input)).toEqual(['highest', 'high', 'default', 'low', 'lowest'])
    })

    it('runs as many of a task at once as concurrency says, and no more', async () => {
      let running = 0
      let most = 0
      const { task, ran } = recording<number>('concurrent', async () => {
        most = Math.max(most, ++running)
        await sleep(100)
        running--
      })
      await queue.enqueueAll(numbers(12).map((input) => ({ task, input })))
      await using _worker = await queue.work([task], { concurrency: 4 })
      await eventually(() => ran.length === 12 && running === 0, 'twelve tasks')
      expect(most).toBe(4)
    })

    it('leaves a task that this worker was not given to the one that knows it', async () => {
      const known = recording<number>('known')
      const unknown = recording<number>('unknown')
      await queue.enqueue(unknown.task, 1)
      await using worker = await queue.work([known.task])
      await queue.enqueue(known.task, 2)
      await eventually(() => known.ran.length === 1, 'the known one')
      await worker.close()
      expect(unknown.ran).toEqual([])
      await using _other = await queue.work([unknown.task])
      await eventually(() => unknown.ran.length === 1, 'the other worker')
      expect(unknown.ran[0]).toMatchObject({ input: 1, attempt: 1 })
    })
  })

  describe(`how they end (${kind})`, () => {
    it('tries a failing task again, as often as its retry says, with the number of the attempt', async () => {
      const { observer, types, errors, onError, events } = watched()
      const { task, ran } = recording<number>(
        'flaky',
        (_input, { attempt }) => {
          if (attempt < 3) throw new Error(`no ${attempt}`)
        },
        { retry: { attempts: 5, delayMs: 20, jitter: 0 } },
      )
      await using _worker = await queue.work([task], { observer, onError })
      const { id } = await queue.enqueue(task, 1)
      await eventually(() => types().includes('succeeded'), 'its end', 20_000)
      expect(ran.map(({ attempt }) => attempt)).toEqual([1, 2, 3])
      expect(types()).toEqual(['started', 'retrying', 'started', 'retrying', 'started', 'succeeded'])
      expect(events.every((event) => event.task.id === id && event.queue === queue.name)).toBe(true)
      expect(errors).toEqual([])
      if (!has('get')) return
      await eventually(async () => (await queue.get(task, id))?.state === 'succeeded', 'its record')
      expect(await queue.get(task, id)).toMatchObject({ attempts: 3 })
    })

    it('waits between attempts as long as the backoff says', async () => {
      const at: number[] = []
      const delayMs = Math.max(700, queue.limits.delayStepMs)
      const { task } = recording<number>(
        'backoff',
        () => {
          at.push(performance.now())
          if (at.length === 1) throw new Error('no')
        },
        { retry: { attempts: 2, delayMs, jitter: 0 } },
      )
      await using _worker = await queue.work([task])
      await queue.enqueue(task, 1)
      await eventually(() => at.length === 2, 'the second attempt', delayMs + 15_000)
      expect((at[1] as number) - (at[0] as number)).toBeGreaterThan(delayMs - 50)
    })

    it('fails a task when its attempts are used up, and tells onError once', async () => {
      const { observer, types, errors, onError } = watched()
      const { task, ran } = recording<number>(
        'failing',
        () => {
          throw new RangeError('out of paper')
        },
        { retry: { attempts: 2, delayMs: 10 } },
      )
      await using _worker = await queue.work([task], { observer, onError })
      const { id } = await queue.enqueue(task, 1)
      await eventually(() => types().includes('failed'), 'its end', 20_000)
      expect(ran.map(({ attempt }) => attempt)).toEqual([1, 2])
      expect(errors).toMatchObject([{ error: { name: 'RangeError' }, id, name: task.name, attempt: 2 }])
      if (!has('get')) return
      await eventually(async () => (await queue.get(task, id))?.state === 'failed', 'its record')
      const record = await queue.get(task, id)
      expect(record).toMatchObject({ attempts: 2, error: { name: 'RangeError', message: 'out of paper' } })
      expect(record?.error?.stack).toContain('RangeError')
      expect(record?.finishedAt).toBeInstanceOf(Date)
    })

    it('takes one attempt where neither the task nor the worker says more', async () => {
      const { errors, onError } = watched()
      const fail = (): never => {
        throw new Error('no')
      }
      const one = recording<number>('one attempt', fail)
      const two = recording<number>('two attempts', fail)
      await using _first = await queue.work([one.task], { onError })
      await using _second = await queue.work([two.task], { onError, retry: { attempts: 2, delayMs: 10 } })
      await queue.enqueueAll([one, two].map(({ task }) => ({ task, input: 1 })))
      await eventually(() => errors.length === 2, 'both ends', 20_000)
      expect([one.ran.length, two.ran.length]).toEqual([1, 2])
    })

    it('does not try a NonRetryableError again', async () => {
      const { errors, onError } = watched()
      const { task, ran } = recording<number>(
        'final',
        () => {
          throw new NonRetryableError('never', { cause: 1 })
        },
        { retry: { attempts: 5, delayMs: 10 } },
      )
      await using _worker = await queue.work([task], { onError })
      await queue.enqueue(task, 1)
      await eventually(() => errors.length === 1, 'its end')
      await queue.enqueue(task, 2)
      await eventually(() => errors.length === 2, 'the end of the next')
      expect(ran.map(({ attempt }) => attempt)).toEqual([1, 1])
    })

    it('ends an attempt that takes too long, aborts its signal, and goes on', async () => {
      const { errors, onError } = watched()
      let reason: any
      const { task, ran } = recording<string>(
        'slow',
        (input, { signal }) => {
          if (input === 'quick') return undefined
          signal.addEventListener('abort', () => {
            reason = signal.reason
          })
          return new Promise(() => {})
        },
        { timeoutMs: 100 },
      )
      await using _worker = await queue.work([task], { onError })
      await queue.enqueue(task, 'hangs')
      await eventually(() => errors.length === 1, 'its end')
      await queue.enqueue(task, 'quick')
      await eventually(() => ran.length === 2, 'the next')
      expect(errors[0]?.error).toMatchObject({ name: 'TaskTimeoutError' })
      expect(reason).toBe(errors[0]?.error)
    })

    it('sends the input as it was passed, and gives the task what its schema makes of it', async () => {
      const ran: unknown[] = []
      const task = defineTask({
        name: fresh('schema'),
        input: z.object({ at: z.iso.datetime().transform((text) => new Date(text)), times: z.number().default(2) }),
        run: (input) => void ran.push(input),
      })
      await using _worker = await queue.work([task])
      await queue.enqueue(task, { at: '2026-01-02T03:04:05Z' })
      await eventually(() => ran.length === 1, 'the task')
      expect(ran).toEqual([{ at: new Date('2026-01-02T03:04:05Z'), times: 2 }])
      await expect(queue.enqueue(task, { at: 'tomorrow' })).rejects.toMatchObject({ name: 'TaskInputError' })
    })

    it('fails a task at once whose schema has changed meanwhile, without a crash loop', async () => {
      const name = fresh('changed')
      const { errors, onError, observer, types } = watched()
      const ran: unknown[] = []
      const before = defineTask({ name, input: z.object({ to: z.string() }), run: () => {} })
      const after = defineTask({
        name,
        input: z.object({ to: z.email(), subject: z.string() }),
        retry: { attempts: 5, delayMs: 10 },
        run: (input) => void ran.push(input),
      })
      const { id } = await queue.enqueue(before, { to: 'ada' })
      await using _worker = await queue.work([after], { onError, observer })
      await eventually(() => errors.length === 1, 'its end')
      await queue.enqueue(after, { to: 'ada@example.com', subject: 'hello' })
      await eventually(() => ran.length === 1, 'the next')
      expect(errors).toMatchObject([{ error: { name: 'TaskInputError' }, id, attempt: 1 }])
      expect(types().slice(0, 2)).toEqual(['started', 'failed'])
    })

    it('takes a task as succeeded whose result JSON cannot carry, and says so once', async () => {
      const { errors, onError, observer, types } = watched()
      const { task, ran } = recording<number>('result', () => ({ total: 1n }), { retry: { attempts: 3, delayMs: 10 } })
      await using _worker = await queue.work([task], { onError, observer })
      const { id } = await queue.enqueue(task, 1)
      await eventually(() => errors.length === 1, 'its end')
      await eventually(() => types().includes('succeeded'), 'its end')
      expect(errors[0]?.error).toMatchObject({ name: 'QueueError', message: expect.stringContaining('bigint') })
      expect(ran).toHaveLength(1)
      if (!has('get')) return
      await eventually(async () => (await queue.get(task, id))?.state === 'succeeded', 'its record')
      expect(await queue.get(task, id)).not.toHaveProperty('result')
    })

    it('gives the worker the trace of the enqueuer', async () => {
      const { events, observer, ended } = watched()
      const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=1' }
      const { task } = recording<number>('traced')
      await using _worker = await queue.work([task], { observer })
      await queue.enqueue(task, 1, { trace })
      await eventually(ended, 'its end')
      expect(events.map((event) => event.trace)).toEqual([trace, trace])
    })
  })

  describeIf(has('get'))(`records (${kind})`, () => {
    it('tells how a task is doing: queued, running, succeeded, with result and times', async () => {
      const gate = Promise.withResolvers<void>()
      const { task, ran } = recording<number>('record', async (input) => {
        await gate.promise
        return { double: input * 2 }
      })
      const before = Date.now()
      const { id } = await queue.enqueue(task, 21)
      const queued = await queue.get(task, id)
      expect(queued).toEqual({ id, task: task.name, state: 'queued', attempts: 0, enqueuedAt: expect.any(Date) })
      // The clock is the server's.
      expect(Math.abs((queued?.enqueuedAt.getTime() ?? 0) - before)).toBeLessThan(5000)
      await using _worker = await queue.work([task])
      await eventually(() => ran.length === 1, 'its start')
      expect(await queue.get(task, id)).toMatchObject({ state: 'running', attempts: 1, startedAt: expect.any(Date) })
      gate.resolve()
      await eventually(async () => (await queue.get(task, id))?.state === 'succeeded', 'its end')
      const done = await queue.get(task, id)
      expect(done).toMatchObject({
        id,
        task: task.name,
        attempts: 1,
        result: { double: 42 },
        finishedAt: expect.any(Date),
      })
      expect(done).not.toHaveProperty('error')
    })

    it('knows nothing of an id that was never enqueued', async () => {
      const { task } = recording<number>('none')
      expect(await queue.get(task, 'nobody')).toBeUndefined()
    })

    it('forgets a record when it was kept long enough, and takes its id anew', async () => {
      const short = await open({ retentionMs: 1000 })
      const { task, ran } = recording<number>('forgotten')
      await using _worker = await short.work([task])
      await short.enqueue(task, 1, { id: 'x' })
      await eventually(() => ran.length === 1, 'the task')
      await eventually(
        async () => {
          await short.enqueue(task, 2, { id: 'x' })
          await sleep(200)
          return ran.length === 2
        },
        'the id to be free again',
        25_000,
      )
    })
  })

  describe(`workers (${kind})`, () => {
    it('waits for what runs when it is closed, and takes nothing new', async () => {
      const gate = Promise.withResolvers<void>()
      const { task, ran } = recording<number>('closing', () => gate.promise)
      const { observer, types } = watched()
      const worker = await queue.work([task], { observer })
      await queue.enqueueAll(numbers(3).map((input) => ({ task, input })))
      await eventually(() => ran.length === 1, 'the first')
      const closing = worker.close()
      await sleep(100)
      expect(types()).toEqual(['started'])
      gate.resolve()
      expect(await closing).toEqual({ succeeded: 1, failed: 0, discarded: 0, abandoned: [] })
      expect(ran).toHaveLength(1)
      await using _next = await queue.work([task], { concurrency: 2 })
      await eventually(() => ran.length === 3, 'the others, in the next worker')
      expect(ran.every(({ attempt }) => attempt === 1)).toBe(true)
    })

    it('loses no attempt of a task that arrives as a worker is being closed', async () => {
      const rounds = 16
      const { task, ran } = recording<number>('arriving', () => {}, { retry: { attempts: rounds } })
      for (const input of numbers(rounds)) {
        const worker = await queue.work([task])
        const enqueued = queue.enqueue(task, input)
        // So that it comes a little earlier or later each time.
        for (const end = performance.now() + input / 4; performance.now() < end; ) await new Promise(setImmediate)
        await worker.close()
        const started = ran.length
        await enqueued
        // What a closed worker has taken it does not start any more.
        expect(ran).toHaveLength(started)
      }
      await using _last = await queue.work([task], { concurrency: 4 })
      await eventually(() => ran.length === rounds, 'all of them', 2 * LEASE_MS)
      // RabbitMQ drops what it was about to send as it hears of the closing, and counts that.
      if (kind !== 'rabbitmq') expect(ran.filter(({ attempt }) => attempt > 1)).toEqual([])
    })

    it('counts what it gives back as it is closed without patience as no start', async () => {
      // With the shortest of patience, and so that it comes a little earlier or later each time.
      const rounds = 16
      const { task, ran } = recording<number>('impatient', () => {}, { retry: { attempts: rounds } })
      const { observer, events } = watched()
      for (const input of numbers(rounds)) {
        const worker = await queue.work([task], { observer })
        const enqueued = queue.enqueue(task, input)
        for (const end = performance.now() + input / 4; performance.now() < end; ) await new Promise(setImmediate)
        await worker.close({ timeoutMs: 0 })
        await enqueued
      }
      await using _last = await queue.work([task], { concurrency: 4, observer })
      const ended = () => events.filter(({ type }) => type === 'succeeded').length
      await eventually(() => ended() === rounds, 'all of them', 2 * LEASE_MS)
      if (kind === 'rabbitmq') return
      const starts = new Map<string, number[]>()
      for (const { id, attempt } of ran) starts.set(id, [...(starts.get(id) ?? []), attempt])
      for (const attempts of starts.values()) expect(attempts).toEqual(attempts.map((_, index) => index + 1))
    })

    itIf(has('get') && has('processes'))('leaves nothing behind as running when its queue is closed', async () => {
      const { task } = recording<number>('left')
      const states: (string | undefined)[] = []
      for (const input of numbers(16)) {
        const closing = await open()
        await closing.work([task], { concurrency: 2 })
        const enqueued = queue.enqueue(task, input)
        for (const end = performance.now() + input / 2; performance.now() < end; ) await new Promise(setImmediate)
        await closing.close()
        const { id } = await enqueued
        states.push((await queue.get(task, id))?.state)
      }
      expect(states.filter((state) => state !== 'queued' && state !== 'succeeded')).toEqual([])
    })

    it('aborts what still runs at the deadline of closing, and has it run again elsewhere', async () => {
      const aborted: unknown[] = []
      const { task, ran } = recording<number>('abandoned', (_input, { signal, attempt }) => {
        if (attempt > 1) return undefined
        signal.addEventListener('abort', () => aborted.push(signal.reason))
        return new Promise(() => {})
      })
      const { observer, types, errors, onError } = watched()
      const worker = await queue.work([task], { observer, onError })
      const { id } = await queue.enqueue(task, 1)
      await eventually(() => ran.length === 1, 'its start')
      const started = performance.now()
      const report = await worker.close({ timeoutMs: 200 })
      expect(performance.now() - started).toBeLessThan(6000)
      expect(report).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [{ id, name: task.name }] })
      expect(aborted).toMatchObject([{ name: 'AbortError' }])
      expect(types()).toEqual(['started', 'abandoned'])
      expect(errors).toEqual([])
      await using _next = await queue.work([task])
      await eventually(() => ran.length === 2, 'the next worker', 8000)
      expect(ran[1]).toMatchObject({ id, attempt: 2 })
    })

    it('can be closed twice, and drained like a wrapper', async () => {
      const { task } = recording<number>('idle')
      const worker = await queue.work([task])
      expect(await worker.drain({ timeoutMs: 1000 })).toMatchObject({ abandoned: [] })
      expect(await worker.close()).toMatchObject({ abandoned: [] })
    })

    it('refuses to be closed by one of its own tasks, which it would wait for', async () => {
      const errors: unknown[] = []
      const { task } = recording<number>('suicide', async () => {
        await worker.close().catch((error) => errors.push(error))
      })
      const worker = await queue.work([task])
      await queue.enqueue(task, 1)
      await eventually(() => errors.length === 1, 'the refusal')
      expect(String(errors[0])).toMatch(/wait for itself/)
      await worker.close()
    })
  })

  describe(`the object (${kind})`, () => {
    it('refuses every call when it is closed', async () => {
      if (kind === 'pglite') return expect(lacks.processes).toBeTypeOf('string')
      const { task } = recording<number>('closed')
      const closed = await open()
      await closed.enqueue(task, 1)
      await closed.close()
      await closed.close()
      const refused = { name: 'QueueError', message: expect.stringContaining('closed') }
      await expect(closed.enqueue(task, 1)).rejects.toMatchObject(refused)
      await expect(closed.work([task])).rejects.toMatchObject(refused)
      await expect(closed.ready()).rejects.toMatchObject(refused)
    })

    it('declares what it lacks, and nothing else', () => {
      expect(queue.lacks).toEqual(lacks)
      expect(queue.name).toBeTypeOf('string')
      for (const limit of ['payloadBytes', 'delayStepMs', 'maxDelayMs', 'scheduleStepMs'] as const) {
        expect(queue.limits[limit]).toBeGreaterThan(0)
      }
    })

    it('refuses what it lacks by a QueueError with the reason', async () => {
      const { task } = recording<number>('lacking')
      const calls: Partial<Record<QueueFeature, () => Promise<unknown>>> = {
        get: () => queue.get(task, 'x'),
        schedule: () => queue.schedule(task, '* * * * *', 1),
        priority: () => queue.enqueue(task, 1, { priority: 1 }),
        transaction: () => queue.enqueue(task, 1, { transaction: { executeSql: async () => ({ rows: [] }) } }),
        work: () => queue.work([task]),
      }
      for (const [feature, call] of Object.entries(calls)) {
        const reason = lacks[feature as QueueFeature]
        if (reason)
          await expect(call(), feature).rejects.toMatchObject({
            name: 'QueueError',
            message: expect.stringContaining(reason),
          })
      }
      if (!has('schedule')) await expect(queue.unschedule(task)).rejects.toMatchObject({ name: 'QueueError' })
    })
  })

  if (has('schedule')) describeSchedules(() => queue, kind, url, recording)
  if (server) describeOutages({ kind, url, server, saved, open })
}

function describeSchedules(
  queueOf: () => TaskQueue<any>,
  kind: Kind,
  url: () => string,
  recording: <I>(what: string) => { task: Task<I, unknown>; ran: { input: I; id: string; attempt: number }[] },
): void {
  describe(`schedules (${kind})`, () => {
    it('refuses a bad expression, an unknown zone and an empty key by a TypeError', async () => {
      const queue = queueOf()
      const { task } = recording<number>('bad schedule')
      const refused = { name: 'TypeError' }
      for (const cron of ['', 'tomorrow', '61 * * * *', '* * * *', '* * * * * * *', '* * 32 * *']) {
        await expect(queue.schedule(task, cron, 1), cron).rejects.toMatchObject(refused)
      }
      await expect(queue.schedule(task, '* * * * *', 1, { timezone: 'Mars/Olympus' })).rejects.toMatchObject(refused)
      await expect(queue.schedule(task, '* * * * *', 1, { key: '' })).rejects.toMatchObject(refused)
      await expect(queue.schedule(task, '* * * * *', 1n as never)).rejects.toMatchObject({ name: 'TaskInputError' })
      if (queue.limits.scheduleStepMs >= 60_000) {
        await expect(queue.schedule(task, '* * * * * *', 1)).rejects.toMatchObject(refused)
      }
    })

    it('takes zones and keys, replaces a schedule of the same key, and ends one that is not there without a word', async () => {
      const queue = queueOf()
      const { task } = recording<number>('zones')
      await queue.schedule(task, '0 3 * * *', 1, { timezone: 'Europe/Vienna', key: 'a:b/1' })
      await queue.schedule(task, '0 4 * * *', 2, { timezone: 'America/New_York', key: 'a:b/1' })
      await queue.unschedule(task, 'a:b/1')
      await queue.unschedule(task, 'never was')
    })

    it('runs a schedule once per tick, also when three processes ask for it, until it is unscheduled', async () => {
      const queue = queueOf()
      const step = queue.limits.scheduleStepMs
      const cron = step < 60_000 ? '*/2 * * * * *' : '* * * * *'
      const stepMs = step < 60_000 ? 2000 : 60_000
      if (kind === 'pglite') {
        const { task, ran } = recording<string>('tick')
        await queue.schedule(task, cron, 'tick')
        await using _worker = await queue.work([task])
        await eventually(() => ran.length === 1, 'a tick', stepMs + 45_000)
        await queue.unschedule(task)
        expect(ran[0]).toMatchObject({ input: 'tick', attempt: 1 })
        return
      }
      const name = fresh('tick')
      const plan = { kind, url: url(), task: name, concurrency: 2, cron }
      await using started = new AsyncDisposableStack()
      const workers: WorkerProcess[] = []
      while (workers.length < 3) workers.push(started.use(await startWorker(plan)))
      const starts = () => workers.flatMap((worker) => worker.runs('start'))
      const wanted = step < 60_000 ? 4 : 1
      await eventually(() => starts().length >= wanted, 'the ticks', wanted * stepMs + 45_000)
      await queue.unschedule(defineTask({ name, run: () => {} }))
      // A tick that was about to come may still do so.
      await sleep(1500)
      const seen = starts()
      // Never early; pg-boss runs what is new at once, where it was due within the last minute.
      const ticks = seen.map(({ at }) => Math.floor(at / stepMs))
      expect(new Set(ticks).size, `ticks at ${seen.map(({ at }) => at)}`).toBe(seen.length)
      if (step < 60_000) {
        await sleep(2 * stepMs)
        expect(starts().length - seen.length).toBe(0)
      }
    }, 150_000)
  })
}

interface Outages {
  readonly kind: Kind
  readonly url: () => string
  readonly server: () => Server
  readonly saved: QueueUnderTest['saved']
  readonly open: (options?: EngineOptions) => Promise<TaskQueue<any>>
}

function describeOutages({ kind, url, server, saved, open }: Outages): void {
  /** Jobs for a worker process. */
  const jobs = (name: string, count: number, ms: number) => {
    const task = defineTask<{ n: number; ms: number }>({ name, run: () => {} })
    return { task, items: numbers(count).map((n) => ({ task, input: { n, ms } })) }
  }
  const doneBy = (...workers: WorkerProcess[]): number[] => workers.flatMap((worker) => worker.numbers('done'))

  describe(`outages (${kind})`, () => {
    it('shares 500 tasks between two worker processes, each of them run once', async () => {
      const name = fresh('shared')
      const { items } = jobs(name, 500, 5)
      const plan = { kind, url: url(), task: name, concurrency: 5 }
      await using one = await startWorker(plan)
      await using two = await startWorker(plan)
      const queue = await open()
      await queue.enqueueAll(items)
      await eventually(() => doneBy(one, two).length >= 500, 'all of them', 60_000)
      expect(sorted(doneBy(one, two))).toEqual(numbers(500))
      expect(one.numbers('done').length).toBeGreaterThan(0)
      expect(two.numbers('done').length).toBeGreaterThan(0)
      await Promise.all([one.close(), two.close()])
    }, 90_000)

    it('loses none of 200 tasks when the worker process is killed in the middle', async () => {
      const name = fresh('killed')
      const { items } = jobs(name, 200, 20)
      const plan = { kind, url: url(), task: name, concurrency: 10 }
      await using first = await startWorker(plan)
      const queue = await open()
      await queue.enqueueAll(items)
      // Some are running: those that began together end together, and then there are none for a moment.
      const busy = () => first.numbers('start').length > first.numbers('done').length
      await eventually(() => first.numbers('done').length >= 50 && busy(), 'the first fifty', 30_000)
      await first.kill()
      const killed = Date.now()
      const lost = first.numbers('start').filter((n) => !first.numbers('done').includes(n))
      await using second = await startWorker(plan)
      const seen = () => new Set(doneBy(first, second))
      await eventually(() => seen().size === 200, 'all of them', 3 * LEASE_MS + 15_000)
      // The last of those that had been running came back in time, as a further attempt.
      const again = second.runs('start').filter(({ n }) => lost.includes(n))
      for (const { attempt, at } of again) {
        expect(attempt).toBe(2)
        expect(at - killed).toBeLessThan(3 * LEASE_MS)
      }
      expect(lost.length).toBeGreaterThan(0)
      await second.close()
    }, 120_000)

    it('loses none of 200 tasks when the server is killed in the middle, and the worker goes on by itself', async () => {
      const name = fresh('crash')
      const { items } = jobs(name, 200, 20)
      await using worker = await startWorker({ kind, url: url(), task: name, concurrency: 10, attempts: 3 })
      const queue = await open()
      await queue.enqueueAll(items)
      await saved?.(name)
      await eventually(() => worker.numbers('done').length >= 50, 'the first fifty', 30_000)
      await server().kill()
      await sleep(500)
      await server().start()
      await eventually(() => new Set(doneBy(worker)).size === 200, 'all of them', 3 * LEASE_MS + 30_000)
      expect(worker.said.filter(({ type }) => type === 'error')).toEqual([])
    }, 120_000)

    it('rejects with a QueueError in time while the server is down, enqueues nothing behind the back of its caller, and works again', async () => {
      const name = fresh('down')
      const { task } = jobs(name, 1, 0)
      const queue = await open()
      await queue.enqueue(task, { n: 0, ms: 0 })
      await saved?.(name)
      await server().kill()
      const started = performance.now()
      await expect(queue.enqueue(task, { n: 1, ms: 0 })).rejects.toMatchObject({
        name: 'QueueError',
        cause: expect.anything(),
      })
      expect(performance.now() - started).toBeLessThan(5000)
      await server().start()
      await using worker = await startWorker({ kind, url: url(), task: name, concurrency: 1 })
      await eventually(
        async () => {
          const error = await queue.enqueue(task, { n: 2, ms: 0 }).then(
            () => undefined,
            (reason) => reason,
          )
          return error === undefined
        },
        'the queue to work again',
        15_000,
      )
      await eventually(() => worker.numbers('done').includes(2), 'the task')
      await sleep(1000)
      expect(sorted([...new Set(worker.numbers('done'))])).toEqual([0, 2])
    }, 90_000)

    it('rejects with a QueueError in time while the server is frozen, and nothing appears when it thaws', async () => {
      const name = fresh('frozen')
      const { task, items } = jobs(name, 20, 0)
      const queue = await open()
      await queue.enqueue(task, { n: 100, ms: 0 })
      const started = performance.now()
      server().freeze()
      try {
        const single = queue.enqueue(task, { n: 101, ms: 0 })
        const many = queue.enqueueAll(items)
        await expect(single).rejects.toMatchObject({ name: 'QueueError', cause: expect.anything() })
        await expect(many).rejects.toMatchObject({ name: 'QueueError', cause: expect.anything() })
        expect(performance.now() - started).toBeLessThan(5000)
      } finally {
        server().thaw()
      }
      await using worker = await startWorker({ kind, url: url(), task: name, concurrency: 5 })
      await eventually(
        async () => {
          const error = await queue.enqueue(task, { n: 102, ms: 0 }).then(
            () => undefined,
            (reason) => reason,
          )
          return error === undefined
        },
        'the queue to work again',
        15_000,
      )
      await eventually(() => worker.numbers('done').includes(102), 'the task')
      await sleep(1500)
      expect(sorted(worker.numbers('done'))).toEqual([100, 102])
    }, 90_000)

    it('works when the server comes up after the first call, and has a worker that was idle go on', async () => {
      const { task: other } = jobs(fresh('late server'), 1, 0)
      const ran: unknown[] = []
      const task = defineTask({ name: fresh('idle'), run: (input: number) => void ran.push(input) })
      const early = await open()
      await using _worker = await early.work([task])
      await saved?.(task.name)
      await server().kill()
      const late = await open()
      await expect(late.ready()).rejects.toMatchObject({ name: 'QueueError' })
      await expect(late.work([task])).rejects.toMatchObject({ name: 'QueueError' })
      await server().start()
      await eventually(
        async () =>
          late.enqueue(other, { n: 1, ms: 0 }).then(
            () => true,
            () => false,
          ),
        'the late object',
        15_000,
      )
      await late.enqueue(task, 1)
      await eventually(() => ran.length === 1, 'the worker that was idle', 3 * LEASE_MS)
    }, 90_000)
  })
}
