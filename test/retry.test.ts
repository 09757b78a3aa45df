import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  type BackgroundTasksOptions,
  type DrainReport,
  defineTask,
  NonRetryableError,
  type RetryOptions,
  type Task,
  TaskInputError,
} from '../src/index.ts'
import { backoffMs } from '../src/retry.ts'
import { deferred, ok, type Wrapped, wrapped } from './_wrapped.ts'

// Before the package is loaded, which takes its timers then: in this file it waits by a clock that the tests move.
vi.hoisted(() => vi.useFakeTimers())

afterEach(() => {
  vi.restoreAllMocks()
  expect(vi.getTimerCount(), 'timers left behind').toBe(0)
})

/** Drains while the clock moves from timer to timer. */
async function drained({ handler }: Wrapped): Promise<DrainReport> {
  const draining = handler.drain()
  await vi.runAllTimersAsync()
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

const failing = async (): Promise<void> => {
  throw new Error('no')
}

const failingThenable = {
  // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
  then(_succeed: () => void, fail: (error: unknown) => void) {
    fail(new Error('no'))
    fail(new Error('too late'))
  },
}

/** How long each attempt but the first came after the one before, in milliseconds. */
async function delaysOf(retry: RetryOptions): Promise<number[]> {
  const { events, ...app } = await requested([defineTask({ name: 'task', retry, run: failing })])
  await drained({ events, ...app })
  const starts = events.filter(({ type }) => type === 'started').map(({ at }) => at)
  return starts.slice(1).map((at, i) => at - (starts[i] as number))
}

describe('a task with retry', () => {
  test('that fails for good is tried that often, told once for each, and reported once', async () => {
    const failures: unknown[] = []
    let attempts = 0
    const task = defineTask({
      name: 'task',
      retry: { attempts: 3 },
      run(_input, { attempt }) {
        expect(attempt).toBe(++attempts)
        throw new Error(`no ${attempt}`)
      },
    })
    const app = await requested([task], { onError: (error, info) => failures.push([error, info]) })
    expect(await drained(app)).toEqual({ succeeded: 0, failed: 1, discarded: 0, abandoned: [] })
    expect(app.events.map(({ type, attempt, error }) => [type, attempt, error])).toEqual([
      ['added', undefined, undefined],
      ['started', 1, undefined],
      ['retrying', 1, new Error('no 1')],
      ['started', 2, undefined],
      ['retrying', 2, new Error('no 2')],
      ['started', 3, undefined],
      ['failed', 3, new Error('no 3')],
    ])
    const id = app.events[0]?.task.id
    expect(failures).toEqual([[new Error('no 3'), { id, name: 'task', attempt: 3 }]])
    expect(new Set(app.events.map((event) => event.task.id)), 'one task').toEqual(new Set([id]))
  })

  test('that succeeds at last has succeeded, and nothing is reported', async () => {
    const failures: unknown[] = []
    const task = defineTask({
      name: 'task',
      retry: { attempts: 5 },
      run: (_input, { attempt }) => (attempt < 3 ? failing() : undefined),
    })
    const app = await requested([task], { onError: (error) => failures.push(error) })
    expect(await drained(app)).toEqual({ succeeded: 1, failed: 0, discarded: 0, abandoned: [] })
    expect(app.log()).toEqual([
      'added task',
      'started task',
      'retrying task',
      'started task',
      'retrying task',
      'started task',
      'succeeded task',
    ])
    expect(app.events.at(-1)?.attempt).toBe(3)
    expect(failures).toEqual([])
  })

  test('of one attempt is tried once', async () => {
    const app = await requested([defineTask({ name: 'task', retry: { attempts: 1 }, run: failing })])
    await drained(app)
    expect(app.log()).toEqual(['added task', 'started task', 'failed task'])
  })

  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw undefined
      },
    ],
    ['rejects with undefined', () => Promise.reject(undefined)],
    ['returns a thenable that fails', () => failingThenable],
  ])('that %s is tried again', async (_how, run) => {
    const app = await requested([defineTask({ name: 'task', retry: { attempts: 2 }, run })])
    expect((await drained(app)).failed).toBe(1)
    expect(app.log()).toEqual(['added task', 'started task', 'retrying task', 'started task', 'failed task'])
  })

  test('keeps its place: with concurrency 1 the next one waits', async () => {
    const app = await requested([
      defineTask({ name: 'first', retry: { attempts: 2 }, run: failing }),
      defineTask({ name: 'second', run: () => {} }),
    ])
    await drained(app)
    expect(app.log().slice(2)).toEqual([
      'started first',
      'retrying first',
      'started first',
      'failed first',
      'started second',
      'succeeded second',
    ])
  })

  test('counts as one of those that run at once: with concurrency 2 one other runs beside its wait', async () => {
    const gate = deferred()
    const app = await requested(
      [
        defineTask({ name: 'waits', retry: { attempts: 2, delayMs: 100, jitter: 0 }, run: failing }),
        defineTask({ name: 'beside', run: () => {} }),
        defineTask({ name: 'long', run: () => gate.promise }),
        defineTask({ name: 'later', run: () => {} }),
      ],
      { concurrency: 2 },
    )
    await vi.advanceTimersByTimeAsync(50)
    expect(app.log().filter((line) => !line.startsWith('added'))).toEqual([
      'started waits',
      'retrying waits',
      'started beside',
      'succeeded beside',
      'started long',
    ])
    await vi.advanceTimersByTimeAsync(60)
    expect(app.log().slice(9)).toEqual(['started waits', 'failed waits', 'started later', 'succeeded later'])
    gate.resolve()
    expect((await drained(app)).succeeded).toBe(1)
  })

  test('is unsettled while it waits: size counts it, pending and clear do not, and a drain waits', async () => {
    let size = 0
    let isOver = false
    const app = wrapped((list) => {
      list.add(defineTask({ name: 'task', retry: { attempts: 2, delayMs: 100, jitter: 0 }, run: failing }))
      setTimeout(() => {
        size = list.size
        expect(list.pending).toEqual([])
        list.clear()
      }, 50)
      return ok()
    })
    await app.call()
    const draining = app.handler.drain().then((report) => {
      isOver = true
      return report
    })
    await vi.advanceTimersByTimeAsync(99)
    expect({ size, isOver }).toEqual({ size: 1, isOver: false })
    await vi.advanceTimersByTimeAsync(10)
    expect({ report: await draining, isOver }).toMatchObject({ report: { failed: 1, discarded: 0 }, isOver: true })
  })

  test('may add a task in each attempt', async () => {
    const app = wrapped((list) => {
      const added = defineTask({ name: 'added', run: () => {} })
      const task = defineTask({
        name: 'adds',
        retry: { attempts: 2 },
        run() {
          list.add(added)
          return failing()
        },
      })
      list.add(task)
      return ok()
    })
    await app.call()
    expect(await drained(app)).toMatchObject({ succeeded: 2, failed: 1 })
  })

  test('tells the duration of each attempt alone', async () => {
    const run = (): Promise<never> => new Promise((_, reject) => setTimeout(reject, 30))
    const retry = { attempts: 2, delayMs: 100, jitter: 0 }
    const app = await requested([defineTask({ name: 'task', retry, run })])
    await drained(app)
    expect(app.events.map(({ type, durationMs }) => [type, durationMs])).toEqual([
      ['added', undefined],
      ['started', undefined],
      ['retrying', 30],
      ['started', undefined],
      ['failed', 30],
    ])
  })
})

describe('the delays between attempts', () => {
  test('grow by the factor, up to the longest, where nothing is left to chance', async () => {
    expect(await delaysOf({ attempts: 5, delayMs: 100, factor: 3, maxDelayMs: 1000, jitter: 0 })).toEqual([
      100, 300, 900, 1000,
    ])
  })

  test('are 1 and 2 seconds at most where they are not set, of 3 attempts', async () => {
    expect(await delaysOf({ jitter: 0 })).toEqual([1000, 2000])
  })

  test('stay the same with a factor of 1, and none with a delay of 0', async () => {
    expect(await delaysOf({ attempts: 4, delayMs: 50, factor: 1, jitter: 0 })).toEqual([50, 50, 50])
    expect(await delaysOf({ attempts: 4, delayMs: 0, jitter: 0 })).toEqual([0, 0, 0])
  })

  test('are never longer than the longest, the first one neither', async () => {
    expect(await delaysOf({ attempts: 3, delayMs: 5000, maxDelayMs: 10, jitter: 0 })).toEqual([10, 10])
  })

  test('are a number after any number of attempts', () => {
    const policy = { attempts: 5000, delayMs: 0, factor: 2, maxDelayMs: 10, jitter: 0 }
    expect(backoffMs(policy, 5000)).toBe(0)
    expect(backoffMs({ ...policy, delayMs: 1 }, 5000)).toBe(10)
  })

  test.each([
    [1, 0, 1000],
    [1, 0.25, 750],
    [1, 0.999, 1],
    [0.5, 0, 1000],
    [0.5, 0.999, 500],
    [0.5, 0.5, 750],
    [0, 0.999, 1000],
  ])('with jitter %s and a chance of %s are %s of 1000 ms', async (jitter, chance, expected) => {
    vi.spyOn(Math, 'random').mockReturnValue(chance)
    const [delay] = await delaysOf({ attempts: 2, delayMs: 1000, jitter })
    expect(Math.abs((delay as number) - expected)).toBeLessThanOrEqual(1)
  })

  test('differ from task to task with full jitter, and never exceed the whole', async () => {
    const delays = []
    for (let i = 0; i < 20; i++) delays.push(...(await delaysOf({ attempts: 3, delayMs: 1000, factor: 1 })))
    expect(new Set(delays).size).toBeGreaterThan(20)
    expect(Math.max(...delays)).toBeLessThanOrEqual(1000)
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0)
  })
})

describe('no further attempt', () => {
  class Subclass extends NonRetryableError {}
  /** As it is written in JavaScript, where a name of its own is no type error. */
  class Renamed extends NonRetryableError {
    constructor() {
      super('renamed')
      Object.defineProperty(this, 'name', { value: 'CardDeclinedError' })
    }
  }

  test.each<[string, () => Error]>([
    ['a NonRetryableError', () => new NonRetryableError('gone', { cause: new Error('why') })],
    ['a subclass of it', () => new Subclass('gone')],
    ['a subclass of it with a name of its own', () => new Renamed()],
    ['one by name, from another copy', () => Object.assign(new Error('gone'), { name: 'NonRetryableError' })],
    ['a TaskInputError', () => new TaskInputError('gone')],
  ])('is made after %s, thrown or rejected with', async (_what, errorOf) => {
    const failures: unknown[] = []
    const errors = [errorOf(), errorOf()] as const
    const app = await requested(
      [
        defineTask({
          name: 'throws',
          retry: {},
          run() {
            throw errors[0]
          },
        }),
        defineTask({ name: 'rejects', retry: {}, run: () => Promise.reject(errors[1]) }),
        defineTask({ name: 'next', run: () => {} }),
      ],
      { onError: (error, { name, attempt }) => failures.push([error, name, attempt]) },
    )
    expect(await drained(app)).toMatchObject({ succeeded: 1, failed: 2 })
    expect(failures).toEqual([
      [errors[0], 'throws', 1],
      [errors[1], 'rejects', 1],
    ])
    expect((failures as unknown[][])[0]?.[0]).toBe(errors[0])
  })

  test('is made once a later attempt says so', async () => {
    const task = defineTask({
      name: 'task',
      retry: { attempts: 5 },
      run(_input, { attempt }) {
        throw attempt === 2 ? new NonRetryableError('gone') : new Error('no')
      },
    })
    const app = await requested([task])
    await drained(app)
    expect(app.events.at(-1)).toMatchObject({ type: 'failed', attempt: 2, error: new NonRetryableError('gone') })
  })
})

describe("the wrapper's retry", () => {
  const retry = { attempts: 2, delayMs: 10, jitter: 0 }

  test('is for functions, which are still called with their arguments only', async () => {
    const calls: unknown[] = []
    const app = wrapped(
      (list) => {
        list.add(
          function save(...args: unknown[]) {
            calls.push(args)
            throw new Error('no')
          },
          'a',
          1,
        )
        return ok()
      },
      { retry },
    )
    await app.call()
    expect((await drained(app)).failed).toBe(1)
    expect(calls).toEqual([
      ['a', 1],
      ['a', 1],
    ])
    expect(app.log()).toEqual(['added save', 'started save', 'retrying save', 'started save', 'failed save'])
  })

  test('is for defined tasks without their own; one of their own wins as a whole', async () => {
    const app = await requested(
      [
        defineTask({ name: 'without', run: failing }),
        defineTask({ name: 'more', retry: { attempts: 4, jitter: 0 }, run: failing }),
        defineTask({ name: 'none', retry: { attempts: 1 }, run: failing }),
        defineTask({ name: 'defaults', retry: {}, run: failing }),
      ],
      { retry },
    )
    await drained(app)
    const attempts = Object.fromEntries(
      app.events.filter(({ type }) => type === 'failed').map(({ task, attempt }) => [task.name, attempt]),
    )
    expect(attempts).toEqual({ without: 2, more: 4, none: 1, defaults: 3 })
    const more = app.events.filter(({ type, task }) => type === 'started' && task.name === 'more').map(({ at }) => at)
    expect((more[1] as number) - (more[0] as number), 'its own delay').toBe(1000)
  })

  test('is none when left out: one attempt', async () => {
    const app = await requested([failing, defineTask({ name: 'task', run: failing })])
    await drained(app)
    expect(app.events.filter(({ type }) => type === 'started').length).toBe(2)
    expect(app.events.filter(({ type }) => type === 'failed').length).toBe(2)
  })
})
