import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  type BackgroundTasks,
  type BackgroundTasksOptions,
  type DrainReport,
  defineTask,
  type Task,
  TaskTimeoutError,
  TooManyTasksError,
} from '../src/index.ts'
import { deferred, endsOf, ok, type Wrapped, wrapped } from './_wrapped.ts'

// Before the package is loaded, which takes its timers then: in this file it waits by a clock that the tests move.
vi.hoisted(() => vi.useFakeTimers())

afterEach(() => {
  vi.restoreAllMocks()
  expect(vi.getTimerCount(), 'timers left behind').toBe(0)
})

/** Drains while the clock moves from timer to timer, or to the deadline. */
async function drained({ handler }: Wrapped, timeoutMs?: number): Promise<DrainReport> {
  const draining = handler.drain({ timeoutMs })
  if (timeoutMs === undefined) await vi.runAllTimersAsync()
  else await vi.advanceTimersByTimeAsync(timeoutMs + 1)
  return draining
}

/** Answers one request with these tasks added. */
async function requested(tasks: (Task | (() => unknown))[], options?: BackgroundTasksOptions): Promise<Wrapped> {
  const app = wrapped((list) => {
    for (const task of tasks) list.add(task as Task)
    return ok()
  }, options)
  await app.call()
  return app
}

const never = (): Promise<void> => new Promise(() => {})
const next = defineTask({ name: 'next', run: () => {} })

describe('a task that exceeds its timeoutMs', () => {
  test('fails with a TaskTimeoutError that says so, once, and the list goes on', async () => {
    const failures: unknown[] = []
    const app = await requested([defineTask({ name: 'slow', timeoutMs: 50, run: never }), next], {
      onError: (error, { name, attempt }) => failures.push([error, name, attempt]),
    })
    expect(await drained(app)).toEqual({ succeeded: 1, failed: 1, discarded: 0, abandoned: [] })
    const error = new TaskTimeoutError("Task 'slow' took longer than 50 ms")
    expect(failures).toEqual([[error, 'slow', 1]])
    expect((failures as unknown[][])[0]?.[0]).toBeInstanceOf(TaskTimeoutError)
    expect(app.log().slice(2)).toEqual(['started slow', 'failed slow', 'started next', 'succeeded next'])
    expect(app.events[3]).toMatchObject({ type: 'failed', attempt: 1, error })
  })

  test('is told how long it took, also where the clock stood at 0 when it started', async () => {
    vi.spyOn(performance, 'now').mockReturnValueOnce(0)
    const app = await requested([defineTask({ name: 'slow', timeoutMs: 50, run: never })])
    await drained(app)
    expect(app.events.at(-1)?.durationMs).toBeGreaterThanOrEqual(50)
  })

  test('has its signal aborted with that error, before the failure is told', async () => {
    const log: unknown[] = []
    const task = defineTask({
      name: 'slow',
      timeoutMs: 50,
      run: (_input, { signal }) => {
        signal.addEventListener('abort', () => log.push('aborted', signal.reason))
        return never()
      },
    })
    const app = await requested([task], { onError: (error) => log.push('reported', error) })
    await drained(app)
    expect(log).toEqual(['aborted', expect.any(TaskTimeoutError), 'reported', expect.any(TaskTimeoutError)])
    expect(log[1], 'the same one').toBe(log[3])
  })

  test('finds its signal aborted also when it looks at it only then', async () => {
    const found = deferred<AbortSignal>()
    const task = defineTask({
      name: 'slow',
      timeoutMs: 50,
      async run(_input, context) {
        await new Promise((resolve) => setTimeout(resolve, 80))
        found.resolve(context.signal)
      },
    })
    await drained(await requested([task]))
    const { aborted, reason } = await found.promise
    expect({ aborted, reason }).toEqual({ aborted: true, reason: expect.any(TaskTimeoutError) })
  })

  test('fails with the timeout, not with what it throws as its signal is aborted', async () => {
    const task = defineTask({
      name: 'slow',
      timeoutMs: 50,
      run: (_input, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    })
    const app = await requested([task, next])
    expect(await drained(app)).toMatchObject({ succeeded: 1, failed: 1 })
    expect(endsOf(app.events)[0]?.error).toBeInstanceOf(TaskTimeoutError)
  })

  test.each(['resolve', 'reject'] as const)('may still %s later: nobody hears of it', async (how) => {
    const failures: unknown[] = []
    const gate = deferred<unknown>()
    const app = await requested([defineTask({ name: 'slow', timeoutMs: 50, run: () => gate.promise }), next], {
      onError: (error) => failures.push(error),
    })
    await drained(app)
    const seen = app.log()
    gate[how](new Error('late'))
    await vi.advanceTimersByTimeAsync(10)
    expect(app.log()).toEqual(seen)
    expect(failures).toEqual([expect.any(TaskTimeoutError)])
    expect(await app.handler.drain()).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
  })

  test('is not what ends just in time, or fails by itself', async () => {
    const after = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms))
    const signals: AbortSignal[] = []
    const app = await requested([
      defineTask({
        name: 'in time',
        timeoutMs: 50,
        run(_input, { signal }) {
          signals.push(signal)
          return after(49)
        },
      }),
      defineTask({
        name: 'fails',
        timeoutMs: 50,
        async run(_input, { signal }) {
          signals.push(signal)
          await after(10)
          throw new Error('mine')
        },
      }),
      defineTask({
        name: 'throws',
        timeoutMs: 50,
        run() {
          throw new Error('mine')
        },
      }),
    ])
    const draining = app.handler.drain()
    await vi.advanceTimersByTimeAsync(70)
    expect(vi.getTimerCount(), 'no limit outlives its attempt').toBe(0)
    expect(await draining).toMatchObject({ succeeded: 1, failed: 2 })
    await vi.advanceTimersByTimeAsync(100)
    expect(endsOf(app.events).map(({ error }) => error)).toEqual([undefined, new Error('mine'), new Error('mine')])
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false])
  })

  test('and may be retried has a limit and a signal for each attempt; a late result of an earlier one is ignored', async () => {
    const signals: AbortSignal[] = []
    const gates = [deferred(), deferred(), deferred()] as const
    const task = defineTask({
      name: 'slow',
      timeoutMs: 50,
      retry: { attempts: 3, delayMs: 20, factor: 1, jitter: 0 },
      run(_input, { attempt, signal }) {
        signals.push(signal)
        return gates[attempt - 1]?.promise
      },
    })
    const app = await requested([task])
    const draining = app.handler.drain()
    await vi.advanceTimersByTimeAsync(60)
    expect(app.log()).toEqual(['added slow', 'started slow', 'retrying slow'])
    gates[0].resolve()
    await vi.advanceTimersByTimeAsync(20)
    expect(app.log().slice(3), 'the first one has failed').toEqual(['started slow'])
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
    await vi.advanceTimersByTimeAsync(60)
    gates[1].reject(new Error('late'))
    await vi.advanceTimersByTimeAsync(20)
    gates[2].resolve()
    await vi.runAllTimersAsync()
    expect(await draining).toMatchObject({ succeeded: 1, failed: 0 })
    expect(app.log().slice(4)).toEqual(['retrying slow', 'started slow', 'succeeded slow'])
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, false])
    expect(new Set(signals).size).toBe(3)
  })
})

describe("the wrapper's timeoutMs", () => {
  test('is for functions, which are still called with their arguments only', async () => {
    const calls: unknown[] = []
    const app = wrapped(
      (list) => {
        list.add(
          function slow(...args: unknown[]) {
            calls.push(args)
            return never()
          },
          'a',
          1,
        )
        list.add(function quick() {})
        return ok()
      },
      { timeoutMs: 50 },
    )
    await app.call()
    expect(await drained(app)).toMatchObject({ succeeded: 1, failed: 1 })
    expect(calls).toEqual([['a', 1]])
    expect(app.events.find(({ type }) => type === 'failed')).toMatchObject({
      task: { name: 'slow' },
      error: new TaskTimeoutError("Task 'slow' took longer than 50 ms"),
    })
  })

  test('is for defined tasks without their own', async () => {
    const app = await requested(
      [
        defineTask({ name: 'without', run: never }),
        defineTask({ name: 'shorter', timeoutMs: 10, run: never }),
        defineTask({ name: 'longer', timeoutMs: 500, run: never }),
      ],
      { timeoutMs: 50, concurrency: 3 },
    )
    await drained(app)
    expect(endsOf(app.events).map(({ task, durationMs }) => [task.name, durationMs])).toEqual([
      ['shorter', 10],
      ['without', 50],
      ['longer', 500],
    ])
  })

  test('does not count the time before a task starts, nor between its attempts', async () => {
    const wait = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 40))
    const task = defineTask({
      name: 'task',
      retry: { attempts: 3, delayMs: 40, jitter: 0 },
      async run(_input, { attempt }) {
        await wait()
        if (attempt < 3) throw new Error('no')
      },
    })
    const app = await requested([task, task], { timeoutMs: 50 })
    expect(await drained(app)).toMatchObject({ succeeded: 2, failed: 0 })
  })
})

describe("a drain's deadline", () => {
  test('aborts the signal of a running attempt with an AbortError, and ignores what comes of it', async () => {
    const failures: unknown[] = []
    const signals: AbortSignal[] = []
    const task = defineTask({
      name: 'runs',
      timeoutMs: 500,
      retry: { attempts: 3 },
      run(_input, { signal }) {
        signals.push(signal)
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
    })
    const app = await requested([task, next], { onError: (error) => failures.push(error) })
    const id = expect.any(String)
    expect(await drained(app, 50)).toEqual({
      succeeded: 0,
      failed: 0,
      discarded: 0,
      abandoned: [
        { id, name: 'runs' },
        { id, name: 'next' },
      ],
    })
    expect(signals.length, 'no further attempt').toBe(1)
    expect(signals[0]?.reason).toMatchObject({ name: 'AbortError', message: 'drain reached its deadline' })
    expect(signals[0]?.reason).toBeInstanceOf(DOMException)
    expect(app.log()).toEqual(['added runs', 'added next', 'started runs', 'abandoned runs', 'abandoned next'])
    expect(app.events[3]).toMatchObject({ attempt: 1, reason: 'drain reached its deadline' })
    expect(failures).toEqual([])
    expect(await app.handler.drain()).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
  })

  test('finds the signal aborted also when the task looks at it only then', async () => {
    const found = deferred<AbortSignal>()
    const task = defineTask({
      name: 'runs',
      async run(_input, context) {
        await new Promise((resolve) => setTimeout(resolve, 80))
        found.resolve(context.signal)
      },
    })
    await drained(await requested([task]), 50)
    await vi.runAllTimersAsync()
    expect((await found.promise).reason).toMatchObject({ name: 'AbortError' })
  })

  test('ends the wait for another attempt, which leaves no timer behind and is told once', async () => {
    let attempts = 0
    const task = defineTask({
      name: 'waits',
      retry: { attempts: 3, delayMs: 1000, jitter: 0 },
      run() {
        attempts++
        throw new Error('no')
      },
    })
    const app = await requested([task, next])
    const draining = app.handler.drain({ timeoutMs: 50 })
    await vi.advanceTimersByTimeAsync(60)
    expect(vi.getTimerCount(), 'the wait').toBe(0)
    expect((await draining).abandoned.map(({ name }) => name)).toEqual(['waits', 'next'])
    await vi.advanceTimersByTimeAsync(5000)
    expect(attempts).toBe(1)
    expect(app.log().slice(2)).toEqual(['started waits', 'retrying waits', 'abandoned waits', 'abandoned next'])
    expect(await app.handler.drain()).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
  })

  test.each(['resolve', 'reject'] as const)(
    'ends an attempt that may still %s later: nobody hears of it',
    async (how) => {
      const failures: unknown[] = []
      const gate = deferred<unknown>()
      const task = defineTask({ name: 'runs', retry: {}, timeoutMs: 500, run: () => gate.promise })
      const app = await requested([task], { onError: (error) => failures.push(error) })
      await drained(app, 50)
      gate[how](new Error('late'))
      await vi.advanceTimersByTimeAsync(1000)
      expect(app.log()).toEqual(['added runs', 'started runs', 'abandoned runs'])
      expect(failures).toEqual([])
    },
  )

  test('ends what runs beside, each with its own signal, and functions under a limit as well', async () => {
    const signals: AbortSignal[] = []
    const task = defineTask({
      name: 'task',
      run(_input, { signal }) {
        signals.push(signal)
        return never()
      },
    })
    const app = await requested([task, task, never], { concurrency: 3, timeoutMs: 1000, retry: {} })
    expect((await drained(app, 50)).abandoned.length).toBe(3)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
    expect(new Set(signals).size).toBe(2)
  })

  test.each(['started', 'retrying', 'abandoned'] as const)(
    'may come while an observer is told of %s: the task ends once and does not run again',
    async (when) => {
      const stop = new AbortController()
      const types: string[] = []
      let runs = 0
      const task = defineTask({
        name: 'task',
        retry: { attempts: 3, delayMs: 10, jitter: 0 },
        timeoutMs: 20,
        run: () => {
          runs++
          throw new Error('no')
        },
      })
      const app = await requested([task], {
        observer({ type, attempt = 0 }) {
          types.push(type)
          if (type === when && (attempt === 2 || when !== 'started')) stop.abort()
        },
      })
      const draining = app.handler.drain({ signal: stop.signal, timeoutMs: when === 'abandoned' ? 15 : Infinity })
      await vi.advanceTimersByTimeAsync(1000)
      expect((await draining).abandoned.length).toBe(1)
      expect(types.filter((type) => type === 'abandoned').length).toBe(1)
      expect(types.at(-1)).toBe('abandoned')
      expect(runs).toBe(when === 'abandoned' ? 2 : 1)
    },
  )

  test('may come from a task that is aborted by its time limit: it is abandoned, not failed', async () => {
    const failures: unknown[] = []
    const stop = new AbortController()
    const task = defineTask({
      name: 'task',
      timeoutMs: 50,
      run: (_input, { signal }) => {
        signal.addEventListener('abort', () => stop.abort())
        return never()
      },
    })
    const app = await requested([task], { onError: (error) => failures.push(error) })
    const draining = app.handler.drain({ signal: stop.signal })
    await vi.advanceTimersByTimeAsync(100)
    expect((await draining).abandoned.length).toBe(1)
    expect(app.log().at(-1)).toBe('abandoned task')
    expect(failures).toEqual([])
  })
})

describe('with retries', () => {
  const failing = defineTask({
    name: 'failing',
    retry: { attempts: 2, delayMs: 100, jitter: 0 },
    run() {
      throw new Error('no')
    },
  })

  test('stopOnError stops the list at the last attempt, not before', async () => {
    const recovers = defineTask({
      name: 'recovers',
      retry: { attempts: 2 },
      run(_input, { attempt }) {
        if (attempt === 1) throw new Error('no')
      },
    })
    const app = await requested([recovers, failing, next], { stopOnError: true })
    expect(await drained(app)).toEqual({ succeeded: 1, failed: 1, discarded: 1, abandoned: [] })
    expect(app.log().slice(-4)).toEqual(['retrying failing', 'started failing', 'failed failing', 'discarded next'])
  })

  test('stopOnError lets a task beside that waits for another attempt have it', async () => {
    const recovers = defineTask({
      name: 'recovers',
      retry: { attempts: 2, delayMs: 500, jitter: 0 },
      run(_input, { attempt }) {
        if (attempt === 1) throw new Error('no')
      },
    })
    const app = await requested([recovers, failing, next], { stopOnError: true, concurrency: 2 })
    expect(await drained(app)).toEqual({ succeeded: 1, failed: 1, discarded: 1, abandoned: [] })
    expect(app.log().at(-1)).toBe('succeeded recovers')
  })

  test('a time limit that is exceeded for good stops a list with stopOnError', async () => {
    const app = await requested([defineTask({ name: 'slow', timeoutMs: 10, run: never }), next], { stopOnError: true })
    expect(await drained(app)).toEqual({ succeeded: 0, failed: 1, discarded: 1, abandoned: [] })
  })

  test('maxPending counts a task until its last attempt, and no more than once', async () => {
    let list!: BackgroundTasks
    const app = wrapped(
      (tasks) => {
        list = tasks
        tasks.add(failing)
        return ok()
      },
      { maxPending: 2 },
    )
    await app.call()
    await vi.advanceTimersByTimeAsync(50)
    list.add(next)
    expect(() => list.add(next)).toThrow(TooManyTasksError)
    await drained(app)
    list.add(next)
    list.add(next)
    expect(() => list.add(next)).toThrow(TooManyTasksError)
    expect((await drained(app)).succeeded).toBe(2)
  })

  test('clear discards what has not started, and lets the one that waits have its attempts', async () => {
    let list!: BackgroundTasks
    const app = wrapped((tasks) => {
      list = tasks
      tasks.add(failing)
      tasks.add(next)
      return ok()
    })
    await app.call()
    await vi.advanceTimersByTimeAsync(50)
    list.clear()
    expect(list.size).toBe(1)
    expect(await drained(app)).toEqual({ succeeded: 0, failed: 1, discarded: 0, abandoned: [] })
    expect(app.log().slice(2)).toEqual([
      'started failing',
      'retrying failing',
      'discarded next',
      'started failing',
      'failed failing',
    ])
  })

  test('requests never wait for each other', async () => {
    let tasks: Task[] = [failing]
    const app = wrapped((list) => {
      for (const task of tasks) list.add(task)
      return ok()
    })
    await app.call()
    tasks = [next]
    await app.call()
    await vi.advanceTimersByTimeAsync(50)
    expect(app.log()).toContain('succeeded next')
    expect(app.log().at(-1)).not.toBe('failed failing')
    await drained(app)
  })
})
