/** What all engines have in common, with an engine that does what a test says. */
import { setTimeout as sleep } from 'node:timers/promises'
import { defineTask, NonRetryableError, QueueError, type TaskEvent, type TaskQueue } from 'background-tasks'
import { describe, expect, it, vi } from 'vitest'
import type { Consumer, Engine, EngineRecord, Job, Perform, Verdict } from '../../adapters/queues/_engine.ts'
import { taskQueue } from '../../adapters/queues/_task-queue.ts'
import { memory } from '../../adapters/queues/memory.ts'
import { until } from '../_server.ts'

const limits = { payloadBytes: 1000, delayStepMs: 100, maxDelayMs: 100_000, scheduleStepMs: 60_000 }

/** An engine that is told what to do, and the queue on it. */
function engineWith(more: Partial<Engine> = {}) {
  const sent: Job[] = []
  const consumers: Consumer[] = []
  const performs: Perform[] = []
  const engine = {
    name: 'told',
    limits,
    lacks: {},
    open: vi.fn(async () => {}),
    send: async (jobs: readonly Job[]) => void sent.push(...jobs),
    consume: async (_task: unknown, _concurrency: number, perform: Perform) => {
      performs.push(perform)
      const consumer = { stop: vi.fn(), close: vi.fn(async () => {}) }
      consumers.push(consumer)
      return consumer
    },
    close: vi.fn(async () => {}),
    ...more,
  }
  const queue: TaskQueue = taskQueue(engine, { timeoutMs: 200 })
  return { engine, queue, sent, consumers, performs }
}

const envelope = (input?: unknown, id = 'x'): string => JSON.stringify({ v: 1, id, input: JSON.stringify(input) })

/** A worker, and what it tells. */
async function working(run: (input: any, context: any) => unknown, options: object = {}, more: object = {}) {
  const events: TaskEvent[] = []
  const errors: unknown[] = []
  const task = defineTask({ name: 'job', run, ...more })
  const { queue, performs, consumers } = engineWith()
  const worker = await queue.work([task], {
    observer: (event) => void events.push(event),
    onError: (error, info) => void errors.push([error, info]),
    ...options,
  })
  const [perform] = performs as [Perform]
  const types = (): string[] => events.map(({ type }) => type)
  return { task, queue, worker, perform, consumers, events, errors, types }
}

const idle = defineTask({ name: 'idle', run: (_input?: unknown) => {} })

/** How many timers keep the process alive. */
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

describe('a call', () => {
  it('rejects with a QueueError that has what the engine said as its cause', async () => {
    const aggregate = new AggregateError([new Error('refused')])
    for (const [cause, message] of [
      [new Error('refused'), 'refused'],
      [aggregate, 'AggregateError'],
      ['text', 'text'],
      [undefined, 'undefined'],
      [Object.create(null), 'cannot be shown'],
    ]) {
      const { queue } = engineWith({ send: async () => Promise.reject(cause) })
      const error = await queue.enqueue(idle, 1).catch((reason) => reason)
      expect(error).toMatchObject({ name: 'QueueError', message: expect.stringContaining(message as string) })
      expect(error.cause).toBe(cause)
    }
  })

  it('rejects with the QueueError of the engine as it is', async () => {
    const error = new QueueError('two processes')
    const { queue } = engineWith({ open: async () => Promise.reject(error) })
    await expect(queue.ready()).rejects.toBe(error)
  })

  it('rejects with the TypeError of the engine as it is, such as for a day that no month has', async () => {
    const error = new TypeError('no such day')
    const { queue } = engineWith({ schedule: async () => Promise.reject(error) })
    await expect(queue.schedule(idle, '0 0 31 2 *', 1)).rejects.toBe(error)
  })

  it('takes any other TypeError for what went wrong in the engine', async () => {
    const cause = new TypeError('Invalid URL')
    const { queue } = engineWith({ send: async () => Promise.reject(cause) })
    await expect(queue.enqueue(idle, 1)).rejects.toMatchObject({ name: 'QueueError', cause })
  })

  it('refuses a task that the engine cannot have before anything is sent, also as it is prepared', async () => {
    const error = new TypeError('its name is too long')
    const checkTask = (): never => {
      throw error
    }
    const { engine, queue } = engineWith({ checkTask })
    expect(() => queue.prepare?.({ task: idle, input: 1 })).toThrow(error)
    await expect(queue.enqueue(idle, 1)).rejects.toBe(error)
    await expect(queue.work([idle])).rejects.toBe(error)
    expect(engine.open).not.toHaveBeenCalled()
  })

  it('refuses a schedule with H, for which a parser draws another number each time, and takes names that have one', async () => {
    const schedule = vi.fn(async () => {})
    const { queue } = engineWith({ schedule })
    for (const cron of [
      'H * * * *',
      '0 H(0-7) * * *',
      'H/15 * * * *',
      '5,H * * * *',
      '0 0 * * H',
      '0 0 * * SUNH',
      'HHH * * * *',
    ]) {
      await expect(queue.schedule(idle, cron, 1), cron).rejects.toMatchObject({
        name: 'TypeError',
        message: `Cannot schedule the task 'idle' as 'cron' must be a cron expression of fixed times, without H: current value is "${cron}"`,
      })
    }
    expect(schedule).not.toHaveBeenCalled()
    for (const cron of ['0 0 * * THU', '0 0 * MAR mon-thu']) await queue.schedule(idle, cron, 1)
    expect(schedule).toHaveBeenCalledTimes(2)
  })

  it('opens the engine first, and sends nothing where that took too long', async () => {
    const send = vi.fn(async () => {})
    const { promise, resolve } = Promise.withResolvers<void>()
    const { queue } = engineWith({ open: () => promise, send })
    await expect(queue.enqueue(idle, 1)).rejects.toMatchObject({ name: 'QueueError', cause: { name: 'TimeoutError' } })
    resolve()
    await sleep(10)
    expect(send).not.toHaveBeenCalled()
  })

  it('gives the first opening as long as it may take, and no later one', async () => {
    const open = vi.fn(async () => {})
    open.mockImplementationOnce(() => sleep(400))
    const { queue } = engineWith({ open, openingMs: 5000 })
    await queue.ready()
    open.mockImplementation(() => new Promise(() => {}))
    const started = performance.now()
    await expect(queue.ready()).rejects.toMatchObject({ name: 'QueueError', cause: { name: 'TimeoutError' } })
    expect(performance.now() - started).toBeLessThan(3000)
  })

  it('rounds a delay up to a step of the engine, and refuses one it cannot wait', async () => {
    const { queue, sent } = engineWith()
    await queue.enqueueAll([0, 1, 100, 101].map((delayMs) => ({ task: idle, input: 1, options: { delayMs } })))
    expect(sent.map(({ delayMs }) => delayMs)).toEqual([0, 100, 100, 200])
    await expect(queue.enqueue(idle, 1, { delayMs: 100_001 })).rejects.toThrow(/from 0 to 100000/)
    await expect(queue.enqueue(idle, 1, { priority: 1001 })).rejects.toThrow(/-1000 to 1000/)
    await expect(queue.enqueue(idle, 1, { trace: {} as never })).rejects.toThrow(/'trace'/)
    await expect(queue.enqueue(idle, 1, { transaction: {} as never })).rejects.toThrow(/'transaction'/)
  })

  it('takes a priority of 0 where the engine has none', async () => {
    const { queue, sent } = engineWith({ lacks: { priority: 'there is none' } })
    await queue.enqueue(idle, 1, { priority: 0 })
    expect(sent).toHaveLength(1)
    await expect(queue.enqueue(idle, 1, { priority: 1 })).rejects.toThrow('there is none')
  })

  it('refuses a method that the engine has but says it lacks', async () => {
    const { queue } = engineWith({ lacks: { get: 'not yet' }, find: async () => undefined })
    await expect(queue.get(idle, 'x')).rejects.toMatchObject({ name: 'QueueError', message: /not yet/ })
  })

  it('counts the envelope in', async () => {
    const { queue, sent } = engineWith()
    await expect(queue.enqueue(idle, 'x'.repeat(990))).rejects.toMatchObject({ name: 'TaskInputError' })
    await expect(queue.enqueue(idle, 'x', { id: 'i'.repeat(1000) })).rejects.toMatchObject({ name: 'TaskInputError' })
    await queue.enqueue(idle, 'x'.repeat(900))
    expect(sent).toHaveLength(1)
  })

  it('has the place of what JSON cannot carry among the issues', async () => {
    const { queue } = engineWith()
    await expect(queue.enqueue(idle, { a: [1n] })).rejects.toMatchObject({
      issues: [{ message: 'JSON cannot carry a bigint', path: ['a', 0] }],
    })
  })

  it('keeps the order, and the first of those with the same task and id, without taking two pairs for one', async () => {
    const { queue, sent } = engineWith()
    const other = defineTask({ name: 'idle\nx', run: (_input: number) => {} })
    const ids = await queue.enqueueAll([
      { task: idle, input: 1, options: { id: 'a' } },
      { task: idle, input: 2, options: { id: 'x\nb' } },
      { task: idle, input: 3, options: { id: 'a' } },
      { task: other, input: 4, options: { id: 'b' } },
      { task: other, input: 5, options: { id: 'a' } },
    ])
    expect(ids.map(({ id }) => id)).toEqual(['a', 'x\nb', 'a', 'b', 'a'])
    expect(sent.map(({ text }) => JSON.parse(text).input)).toEqual(['1', '2', '4', '5'])
  })

  it('that is under way is answered before the engine is closed, so that it does not reject though its job is there', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { queue, engine } = engineWith({ send: () => promise })
    const call = queue.enqueue(idle, 1, { id: 'x' })
    const closing = queue.close()
    await expect(queue.enqueue(idle, 2)).rejects.toThrow(/is closed/)
    expect(engine.close).not.toHaveBeenCalled()
    resolve()
    expect(await call).toEqual({ id: 'x' })
    await closing
    expect(engine.close).toHaveBeenCalledTimes(1)
  })

  it('that gets no answer keeps the engine from being closed no longer than its deadline', async () => {
    const { queue, engine } = engineWith({ send: () => new Promise(() => {}) })
    const call = queue.enqueue(idle, 1)
    const started = performance.now()
    await Promise.all([expect(call).rejects.toMatchObject({ cause: { name: 'TimeoutError' } }), queue.close()])
    expect(performance.now() - started).toBeLessThan(3000)
    expect(engine.close).toHaveBeenCalledTimes(1)
  })

  it('sends nothing where the queue was closed during a long first opening, which is not waited for', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { queue, sent } = engineWith({ open: () => promise, openingMs: 60_000 })
    const call = queue.enqueue(idle, 1)
    await queue.close()
    resolve()
    await expect(call).rejects.toThrow(/is closed/)
    expect(sent).toEqual([])
  })

  it('asks the engine nothing for no items', async () => {
    const { queue, engine } = engineWith()
    expect(await queue.enqueueAll([])).toEqual([])
    expect(engine.open).not.toHaveBeenCalled()
  })

  it('refuses bad arguments of get, unschedule and work by a TypeError', async () => {
    const { queue } = engineWith({ find: async () => undefined, unschedule: async () => {} })
    const refused = { name: 'TypeError' }
    await expect(queue.get({} as never, 'x')).rejects.toMatchObject(refused)
    await expect(queue.get(idle, '')).rejects.toMatchObject(refused)
    await expect(queue.unschedule(idle, '')).rejects.toMatchObject(refused)
    await expect(queue.unschedule({} as never)).rejects.toMatchObject(refused)
    await expect(queue.enqueueAll({} as never)).rejects.toMatchObject(refused)
    await expect(queue.enqueue({} as never, 1)).rejects.toThrow(/'task' must be a task made by defineTask/)
    await expect(queue.work([{} as never])).rejects.toMatchObject(refused)
    await expect(queue.work([idle], { concurrency: 0 })).rejects.toMatchObject(refused)
  })

  it('gives a record with what the engine knows, and nothing else', async () => {
    const enqueuedAt = new Date()
    const records: EngineRecord[] = [
      { state: 'queued', attempts: 0, enqueuedAt },
      { state: 'succeeded', attempts: 1, output: '{"result":"0"}', enqueuedAt, startedAt: enqueuedAt },
      { state: 'succeeded', attempts: 1, output: '{"result":"null"}', enqueuedAt },
    ]
    const { queue } = engineWith({ find: async () => records.shift() })
    const record = { id: 'x', task: 'idle', enqueuedAt }
    expect(await queue.get(idle, 'x')).toStrictEqual({ ...record, state: 'queued', attempts: 0 })
    const done = { ...record, state: 'succeeded', attempts: 1 }
    expect(await queue.get(idle, 'x')).toStrictEqual({ ...done, result: 0, startedAt: enqueuedAt })
    expect(await queue.get(idle, 'x')).toStrictEqual({ ...done, result: null })
    expect(await queue.get(idle, 'x')).toBeUndefined()
  })
})

describe('a run', () => {
  it('gives a verdict, and tells its end when the engine has heard that', async () => {
    const { perform, types, worker } = await working((input) => input + 1)
    const verdict = await perform({ id: 'engine', text: envelope(1), attempt: 1 })
    expect(verdict).toMatchObject({ type: 'succeeded', output: '{"result":"2"}' })
    expect(types()).toEqual(['started'])
    verdict.settled()
    verdict.settled()
    expect(types()).toEqual(['started', 'succeeded'])
    expect(await worker.close()).toMatchObject({ abandoned: [] })
  })

  it('has the id of its envelope, or of the engine where that has none, and an input that was left out', async () => {
    const seen: unknown[] = []
    const { perform } = await working((input, { id }) => void seen.push([input, id]))
    await perform({ id: 'engine', text: envelope(1, 'own'), attempt: 1 })
    await perform({ id: 'tick', text: '{"v":1}', attempt: 1 })
    expect(seen).toEqual([
      [1, 'own'],
      [undefined, 'tick'],
    ])
  })

  it('is reported as abandoned where the engine did not hear how it ended', async () => {
    const { perform, types, events, errors, worker } = await working(() => {
      throw new Error('no')
    })
    const verdict = await perform({ id: 'x', text: envelope(), attempt: 1 })
    const closing = worker.close()
    verdict.settled(new Error('connection lost'))
    expect(types()).toEqual(['started', 'abandoned'])
    expect(events[1]?.reason).toMatch('told did not hear')
    expect(errors).toEqual([])
    expect(await closing).toMatchObject({ failed: 0, abandoned: [{ id: 'x', name: 'job' }] })
  })

  it('tells how long an attempt took on its end, and not on its start', async () => {
    const { perform, events } = await working(() => sleep(20))
    ;(await perform({ id: 'x', text: envelope(), attempt: 1 })).settled()
    expect(events[0]).not.toHaveProperty('durationMs')
    expect(events[1]?.durationMs).toBeGreaterThan(15)
  })

  it('fails at once, and never starts, where its envelope is not ours, whatever retry says', async () => {
    const run = vi.fn()
    const { perform, types, errors, events } = await working(run, { retry: { attempts: 5 } })
    for (const text of ['nonsense', '{"v":2}']) {
      const verdict = await perform({ id: 'engine', text, attempt: 1 })
      expect(verdict.type).toBe('failed')
      verdict.settled()
    }
    expect(run).not.toHaveBeenCalled()
    expect(types()).toEqual(['failed', 'failed'])
    expect(events[0]).not.toHaveProperty('durationMs')
    expect(errors).toMatchObject([
      [{ name: 'SyntaxError' }, { id: 'engine', attempt: 1 }],
      [{ message: expect.stringContaining('version 1') }, { attempt: 1 }],
    ])
  })

  it('is started three times beyond its attempts, as its worker may have died, and no more', async () => {
    const run = vi.fn()
    const { perform } = await working(run, {}, { retry: { attempts: 2 } })
    const verdicts: Verdict[] = []
    for (const attempt of [1, 5, 6]) verdicts.push(await perform({ id: 'x', text: envelope(), attempt }))
    expect(verdicts.map(({ type }) => type)).toEqual(['succeeded', 'succeeded', 'failed'])
    expect(verdicts[2]?.output).toContain('its workers died')
    expect(run).toHaveBeenCalledTimes(2)
    const { error } = JSON.parse((await perform({ id: 'x', text: '?', attempt: 9 })).output)
    expect(error.name).toBe('SyntaxError')
  })

  it('waits as its own retry says, in steps of the engine, before the next attempt', async () => {
    const fail = (): never => {
      throw new Error('no')
    }
    const retry = { attempts: 3, delayMs: 150, factor: 2, jitter: 0 }
    const { perform, types } = await working(fail, { retry: { attempts: 1 } }, { retry })
    const verdicts: Verdict[] = []
    for (const attempt of [1, 2, 3]) {
      const verdict = await perform({ id: 'x', text: envelope(), attempt })
      verdict.settled()
      verdicts.push(verdict)
    }
    expect(verdicts.map(({ type, delayMs }) => [type, delayMs])).toEqual([
      ['retry', 200],
      ['retry', 300],
      ['failed', 0],
    ])
    expect(types().filter((type) => type !== 'started')).toEqual(['retrying', 'retrying', 'failed'])
  })

  it('waits no longer before the next attempt than its engine can', async () => {
    const retry = { attempts: 2, delayMs: 1_000_000, maxDelayMs: 1_000_000, jitter: 0 }
    const fail = (): never => {
      throw new Error('no')
    }
    const { perform } = await working(fail, {}, { retry })
    const { type, delayMs } = await perform({ id: 'x', text: envelope(), attempt: 1 })
    expect([type, delayMs]).toEqual(['retry', limits.maxDelayMs])
  })

  it('has the retry and the time limit of the worker where it has none', async () => {
    const { perform } = await working(() => new Promise(() => {}), { retry: { attempts: 2 }, timeoutMs: 20 })
    const first = await perform({ id: 'x', text: envelope(), attempt: 1 })
    expect([first.type, JSON.parse(first.output).error.name]).toEqual(['retry', 'TaskTimeoutError'])
    expect((await perform({ id: 'x', text: envelope(), attempt: 2 })).type).toBe('failed')
  })

  it('is not tried again for an error that is final', async () => {
    const fail = (): never => {
      throw new NonRetryableError('no')
    }
    const { perform } = await working(fail, { retry: { attempts: 5 } })
    expect((await perform({ id: 'x', text: envelope(), attempt: 1 })).type).toBe('failed')
  })

  it('fails with whatever was thrown, also what has no text', async () => {
    for (const thrown of [undefined, null, Object.create(null), Symbol('x')]) {
      const { perform, errors } = await working(() => {
        throw thrown
      })
      const verdict = await perform({ id: 'x', text: envelope(), attempt: 1 })
      expect(verdict.type).toBe('failed')
      verdict.settled()
      expect((errors[0] as unknown[])[0]).toBe(thrown)
    }
  })

  it('succeeds without a result that throws, or is too large, and says so', async () => {
    const results = [
      () => ({
        get x() {
          throw null
        },
      }),
      () => 'x'.repeat(1001),
    ]
    for (const run of results) {
      const { perform, errors, types } = await working(run)
      const verdict = await perform({ id: 'x', text: envelope(), attempt: 1 })
      expect(verdict).toMatchObject({ type: 'succeeded', output: '{}' })
      verdict.settled()
      expect(errors).toMatchObject([[{ name: 'QueueError', message: /its result is not kept/ }, { id: 'x' }]])
      expect(types()).toEqual(['started', 'succeeded'])
    }
  })

  it('does not start where the observer closes the worker as it is told of the start', async () => {
    const run = vi.fn()
    let close = (): unknown => undefined
    const types: string[] = []
    const observer = ({ type }: TaskEvent): void => {
      types.push(type)
      if (type === 'started') close()
    }
    const { perform, worker } = await working(run, { observer })
    close = () => worker.close({ signal: AbortSignal.abort() })
    expect(await perform({ id: 'x', text: envelope(), attempt: 1 })).toMatchObject({ type: 'abandoned' })
    expect(run).not.toHaveBeenCalled()
    expect(types).toEqual(['started', 'abandoned'])
  })
})

describe('a worker', () => {
  it('stops taking, waits for what runs, then closes: its consumers once, however often it is closed', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { perform, worker, consumers, queue } = await working(() => promise)
    const running = perform({ id: 'x', text: envelope(), attempt: 1 })
    const closings = [worker.close(), worker.drain(), worker[Symbol.asyncDispose](), queue.close()]
    const [consumer] = consumers as [Consumer]
    expect(consumer.stop).toHaveBeenCalledTimes(1)
    await sleep(10)
    expect(consumer.close).not.toHaveBeenCalled()
    resolve()
    ;(await running).settled()
    await Promise.all(closings)
    await worker.close()
    expect(consumer.stop).toHaveBeenCalledTimes(1)
    expect(consumer.close).toHaveBeenCalledTimes(1)
  })

  it('runs what its engine had taken before it stopped, as that counts as a start, and waits for it', async () => {
    const stopping = Promise.withResolvers<void>()
    const task = Promise.withResolvers<void>()
    const types: string[] = []
    let perform: Perform | undefined
    const { queue } = engineWith({
      consume: async (_task, _concurrency, given) => {
        perform = given
        return { stop: () => stopping.promise, close: async () => {} }
      },
    })
    const worker = await queue.work([defineTask({ name: 'slow', run: () => task.promise })], {
      observer: ({ type }) => void types.push(type),
    })
    const closing = worker.close({ timeoutMs: 5000 }).finally(() => types.push('closed'))
    await sleep(10)
    // The answer to what it had asked before.
    const running = perform?.({ id: 'x', text: envelope(), attempt: 1 })
    stopping.resolve()
    await sleep(10)
    expect(types).toEqual(['started'])
    task.resolve()
    const verdict = await running
    expect(verdict?.type).toBe('succeeded')
    verdict?.settled()
    expect(await closing).toEqual({ succeeded: 1, failed: 0, discarded: 0, abandoned: [] })
    expect(types).toEqual(['started', 'succeeded', 'closed'])
  })

  it('starts nothing once its deadline has passed, and waits until its engine knows what it gave back', async () => {
    const run = vi.fn()
    for (const timeoutMs of [0, 20]) {
      const stopping = Promise.withResolvers<void>()
      const types: string[] = []
      let perform: Perform | undefined
      const { queue } = engineWith({
        consume: async (_task, _concurrency, given) => {
          perform = given
          return { stop: () => stopping.promise, close: async () => void types.push('consumer closed') }
        },
      })
      const worker = await queue.work([defineTask({ name: 'late', run })], {
        observer: ({ type }) => void types.push(type),
      })
      const closing = worker.close({ timeoutMs }).finally(() => types.push('closed'))
      await sleep(2 * timeoutMs)
      const verdict = await perform?.({ id: 'x', text: envelope(), attempt: 1 })
      expect(verdict).toMatchObject({ type: 'abandoned', output: '{}', delayMs: 0, isUnstarted: true })
      stopping.resolve()
      await sleep(10)
      expect(types).toEqual([])
      verdict?.settled()
      expect(await closing).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
      expect(types).toEqual(['consumer closed', 'closed'])
    }
    expect(run).not.toHaveBeenCalled()
  })

  it('gives back at once what it is given when it was closed', async () => {
    const run = vi.fn()
    const { perform, worker, types } = await working(run)
    await worker.close()
    const verdict = await perform({ id: 'x', text: envelope(), attempt: 1 })
    expect(verdict.type).toBe('abandoned')
    verdict.settled()
    expect([run.mock.calls, types()]).toEqual([[], []])
  })

  it('abandons all that runs at the deadline, and ignores what they give later', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const order: string[] = []
    const { perform, worker, types } = await working((_input, { signal }) => {
      signal.addEventListener('abort', () => order.push('aborted'))
      return promise
    })
    const taken = [1, 2].map((n) => perform({ id: `${n}`, text: envelope(n, `${n}`), attempt: 1 }))
    const closing = worker.close({ timeoutMs: 20 })
    const verdicts = await Promise.all(taken)
    for (const { settled } of verdicts) settled()
    expect((await closing).abandoned).toEqual(['1', '2'].map((id) => ({ id, name: 'job' })))
    resolve()
    await sleep(1)
    expect(verdicts.map(({ type }) => type)).toEqual(['abandoned', 'abandoned'])
    expect(order).toEqual(['aborted', 'aborted'])
    expect(types()).toEqual(['started', 'started', 'abandoned', 'abandoned'])
  })

  it('is given up by its engine only when that knows what became of the runs', async () => {
    const { perform, worker, consumers, types } = await working(() => new Promise(() => {}))
    const running = perform({ id: 'x', text: envelope(), attempt: 1 })
    const closing = worker.close({ timeoutMs: 1 })
    const verdict = await running
    await sleep(20)
    expect(consumers[0]?.close).not.toHaveBeenCalled()
    verdict.settled(new Error('gone'))
    await closing
    expect(types()).toEqual(['started', 'abandoned'])
    expect(consumers[0]?.close).toHaveBeenCalledTimes(1)
  })

  it('tells a run by its own end that was over when the deadline came, and not as abandoned', async () => {
    const { perform, worker, types } = await working(() => {})
    const verdict = await perform({ id: 'x', text: envelope(), attempt: 1 })
    const closing = worker.close({ timeoutMs: 1 })
    await sleep(20)
    verdict.settled()
    expect(await closing).toEqual({ succeeded: 1, failed: 0, discarded: 0, abandoned: [] })
    expect(types()).toEqual(['started', 'succeeded'])
  })

  it('reports as abandoned what its engine has not heard the end of in time, once', async () => {
    const { perform, worker, consumers, events, types } = await working(() => {})
    const verdict = await perform({ id: 'x', text: envelope(), attempt: 1 })
    expect(await worker.close({ timeoutMs: 1 })).toMatchObject({ succeeded: 0, abandoned: [{ id: 'x', name: 'job' }] })
    verdict.settled()
    expect(types()).toEqual(['started', 'abandoned'])
    expect(events[1]?.reason).toBe('told did not hear how it ended')
    await until(() => vi.mocked(consumers[0]?.close as () => void).mock.calls.length === 1, 'the consumer to be closed')
  })

  it('closes each of its consumers, also after one that throws', async () => {
    const close = vi.fn(async () => {})
    close.mockImplementationOnce(() => {
      throw new Error('no')
    })
    const { queue } = engineWith({ consume: async () => ({ stop: () => {}, close }) })
    const worker = await queue.work([idle, defineTask({ name: 'other', run: () => {} })])
    await worker.close()
    expect(close).toHaveBeenCalledTimes(2)
  })

  it('closes in time where its engine hangs, or fails', async () => {
    const hang = (): Promise<never> => new Promise(() => {})
    const fail = (): never => {
      throw new Error('no')
    }
    for (const consumer of [
      { stop: hang, close: hang },
      { stop: fail, close: fail },
      { stop: () => {}, close: hang },
    ]) {
      const { queue } = engineWith({ consume: async () => consumer, close: hang })
      const worker = await queue.work([idle])
      const started = performance.now()
      expect(await worker.close()).toMatchObject({ abandoned: [] })
      await queue.close()
      expect(performance.now() - started).toBeLessThan(2000)
    }
  })

  it('is closed with its queue, which abandons what runs too long, then closes the engine, once', async () => {
    const order: string[] = []
    let perform: Perform | undefined
    const { queue } = engineWith({
      consume: async (_task, _concurrency, given) => {
        perform = given
        return { stop: () => void order.push('stop'), close: async () => void order.push('close') }
      },
      close: async () => void order.push('engine'),
    })
    await queue.work([defineTask({ name: 'hangs', run: () => new Promise(() => {}) })])
    const running = perform?.({ id: 'x', text: envelope(), attempt: 1 })
    const closing = [queue.close(), queue.close(), queue[Symbol.asyncDispose]()]
    const verdict = await running
    expect(verdict?.type).toBe('abandoned')
    verdict?.settled()
    await Promise.all(closing)
    expect(order).toEqual(['stop', 'close', 'engine'])
  })

  it('closes its queue where the engine fails to', async () => {
    const { queue } = engineWith({
      close() {
        throw new Error('no')
      },
    })
    await queue.close()
  })

  it('is not left behind by work where one of its tasks cannot be consumed', async () => {
    const consumer = { stop: vi.fn(), close: vi.fn(async () => {}) }
    const consume = vi.fn(async () => consumer)
    consume.mockResolvedValueOnce(consumer).mockRejectedValueOnce(new Error('no'))
    const { queue } = engineWith({ consume })
    const other = defineTask({ name: 'other', run: () => {} })
    await expect(queue.work([idle, other])).rejects.toMatchObject({ name: 'QueueError' })
    expect(consumer.stop).toHaveBeenCalledTimes(1)
    expect(consumer.close).toHaveBeenCalledTimes(1)
  })

  it('is not left behind by a queue that is closed while it starts', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const order: string[] = []
    const consumer = { stop: () => void order.push('stop'), close: async () => void order.push('close') }
    const { queue } = engineWith({
      consume: () => promise.then(() => consumer),
      close: async () => void order.push('engine'),
    })
    const starting = expect(queue.work([idle])).rejects.toMatchObject({ name: 'QueueError', message: /closed/ })
    await sleep(1)
    const closing = queue.close()
    resolve()
    await Promise.all([starting, closing])
    expect(order).toEqual(['stop', 'close', 'engine'])
  })

  it('of the memory queue does not take a job again and again that is given back as it closes', async () => {
    const queue = memory()
    await queue.enqueue(idle, 1)
    const starting = queue.work([idle]).catch((error) => error)
    await queue.close()
    expect(await starting).toMatchObject({ name: 'QueueError' })
  })

  it('is forgotten by its queue when it is closed', async () => {
    const { queue, consumers } = engineWith()
    const worker = await queue.work([idle])
    await worker.close()
    const close = vi.spyOn(worker, 'close')
    await queue.close()
    expect(close).not.toHaveBeenCalled()
    expect(consumers).toHaveLength(1)
  })

  it('refuses that one of its tasks closes the queue, which can be closed afterwards', async () => {
    const { queue, engine, performs } = engineWith()
    const errors: unknown[] = []
    const task = defineTask({
      name: 'closes',
      run: async () => {
        await sleep(1)
        await queue.close().catch((error) => errors.push(error))
      },
    })
    await queue.work([task])
    ;(await performs[0]?.({ id: 'x', text: envelope(), attempt: 1 }))?.settled()
    expect(String(errors[0])).toMatch(/wait for itself/)
    await queue.enqueue(idle, 1)
    await queue.close()
    expect(engine.close).toHaveBeenCalledTimes(1)
  })
})

describe('the memory queue', () => {
  it('gives every slot of a worker the next job, after a failure too', async () => {
    const queue = memory()
    const ran: number[] = []
    const task = defineTask({
      name: 'slots',
      run: (n: number) => {
        ran.push(n)
        if (n % 2) throw new Error('odd')
      },
    })
    await using _worker = await queue.work([task], { concurrency: 3, onError: () => {} })
    const all = Array.from({ length: 20 }, (_, n) => n)
    await queue.enqueueAll(all.map((input) => ({ task, input })))
    await until(() => ran.length === 20, 'all of them')
    expect(ran.sort((a, b) => a - b)).toEqual(all)
  })

  it('starts those of one priority in the order in which they were enqueued', async () => {
    const queue = memory()
    const ran: number[] = []
    const task = defineTask({ name: 'order', run: (n: number) => void ran.push(n) })
    const priorities = [0, 1, 0, 1, -1, 0]
    await queue.enqueueAll(priorities.map((priority, input) => ({ task, input, options: { priority } })))
    await using _worker = await queue.work([task])
    await until(() => ran.length === 6, 'all of them')
    expect(ran).toEqual([1, 3, 0, 2, 5, 4])
  })

  it('keeps no process alive by the record of what has ended', async () => {
    const queue = memory()
    const events: string[] = []
    const worker = await queue.work([idle], { observer: ({ type }) => void events.push(type) })
    const before = timers()
    const { id } = await queue.enqueue(idle, 1)
    await until(() => events.includes('succeeded'), 'its end')
    expect((await queue.get(idle, id))?.state).toBe('succeeded')
    await worker.close()
    expect(timers()).toBe(before)
  })

  it('says of a job that waits for its next attempt that it is queued, with the error of the last', async () => {
    const queue = memory()
    const task = defineTask({
      name: 'again',
      retry: { attempts: 2, delayMs: 60_000, jitter: 0 },
      run: () => {
        throw new Error('not yet')
      },
    })
    const events: string[] = []
    const worker = await queue.work([task], { observer: ({ type }) => void events.push(type) })
    const { id } = await queue.enqueue(task, undefined)
    await until(() => events.includes('retrying'), 'the first attempt')
    expect(await queue.get(task, id)).toMatchObject({ state: 'queued', attempts: 1, error: { message: 'not yet' } })
    await worker.close()
    const before = timers()
    await queue.close()
    expect(timers()).toBe(before - 1)
  })
})
