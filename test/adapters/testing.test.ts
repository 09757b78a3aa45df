import { Hono } from 'hono'
import { afterEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import { backgroundTasks } from '../../adapters/hono.ts'
import { recordTasks, type TaskRecorder } from '../../adapters/testing.ts'
import {
  type Adapter,
  type BackgroundTasks,
  type BackgroundTasksOptions,
  defineTask,
  type Observer,
  type PendingTask,
  withBackgroundTasks,
} from '../../src/index.ts'
import { takePrinted } from '../_printed.ts'
import { deferred, ok, turn, wrapped } from '../_wrapped.ts'
import { type Runtime, scenarioOn, scenarioOnNode20, scenarioOnWorkerd } from './_scenario.ts'

/** A wrapped handler and the recorder of its tasks. */
function recorded(handler: (tasks: BackgroundTasks, ...platform: any[]) => unknown, options?: BackgroundTasksOptions) {
  const recorder = recordTasks()
  return { recorder, ...wrapped(handler, { adapter: recorder, ...options }) }
}

const names = ({ pending }: TaskRecorder): string[] => pending.map(({ name }) => name)

function fails(message: string): never {
  throw new Error(message)
}

describe('pending', () => {
  test('shows what was added, and nothing starts by itself', async () => {
    const greet = defineTask({ name: 'greet', run: (_name: string) => {} })
    const { recorder, call, log } = recorded((tasks) => {
      tasks.add(Math.max, 1, 2)
      tasks.add(greet, 'ada', { id: 'mine' })
      return ok()
    })
    await call()
    for (let i = 0; i < 5; i++) await turn()
    expect(recorder.pending).toEqual([
      { id: expect.any(String), name: 'max', args: [1, 2] },
      { id: 'mine', name: 'greet', args: [], input: 'ada' },
    ])
    expect(log()).toEqual(['added max', 'added greet'])
  })

  test('is in order of adding, over interleaved requests and several wrappers', async () => {
    const recorder = recordTasks()
    const task = defineTask({ name: 'task', run: (_input: string) => {} })
    const lists: BackgroundTasks[] = []
    const keep = (tasks: BackgroundTasks): Response => {
      lists.push(tasks)
      return ok()
    }
    const [one, other] = [wrapped(keep, { adapter: recorder }), wrapped(keep, { adapter: recorder })]
    await Promise.all([one.call(), other.call(), one.call()])
    for (const [place, list] of [0, 1, 0, 2, 1, 1, 0].entries()) lists[list]?.add(task, `${place}`)
    expect(recorder.pending.map(({ input }) => input)).toEqual(['0', '1', '2', '3', '4', '5', '6'])
    expect((await recorder.runAll()).succeeded).toBe(7)
    expect(recorder.pending).toEqual([])
  })

  test('shows every one of several tasks with the same id', async () => {
    const task = defineTask({ name: 'task', run: (_input: string) => {} })
    const { recorder, call } = recorded((tasks) => {
      for (const input of ['1', '2']) tasks.add(task, input, { id: 'same' })
      return ok()
    })
    await call()
    expect(recorder.pending.map(({ id, input }) => [id, input])).toEqual([
      ['same', '1'],
      ['same', '2'],
    ])
  })

  test('an id that was used before, by a task that has ended, does not change the order', async () => {
    const task = defineTask({ name: 'task', run: () => {} })
    const { recorder, handler } = recorded((tasks, ...ids: string[]) => {
      for (const id of ids) tasks.add(task, undefined, { id })
      return ok()
    })
    await handler(new Request('http://localhost/'), 'a')
    await recorder.runAll()
    await handler(new Request('http://localhost/'), 'b', 'a')
    expect(recorder.pending.map(({ id }) => id)).toEqual(['b', 'a'])
  })

  test('is a copy', async () => {
    const { recorder, call } = recorded((tasks) => {
      tasks.add(() => {})
      return ok()
    })
    await call()
    ;(recorder.pending as PendingTask[]).pop()
    expect(recorder.pending.length).toBe(1)
  })

  test('of a list that is running it shows what has not started', async () => {
    const gate = deferred()
    const started = deferred()
    const { recorder, call } = recorded((tasks) => {
      tasks.add(() => {
        started.resolve()
        return gate.promise
      })
      tasks.add(function second() {})
      return ok()
    })
    await call()
    const running = recorder.runAll()
    await started.promise
    expect(names(recorder)).toEqual(['second'])
    gate.resolve()
    await running
  })
})

describe('runAll', () => {
  test('runs the lists of all requests, the tasks added by tasks too, and reports what ended', async () => {
    const { recorder, call, log } = recorded((tasks) => {
      tasks.add(async function first() {
        await turn()
        tasks.add(async function nested() {
          await turn()
          tasks.add(function deep() {})
        })
      })
      tasks.add(function no() {
        fails('no')
      })
      return ok()
    })
    await Promise.all([call(), call()])
    expect(await recorder.runAll()).toEqual({
      succeeded: 6,
      failed: 2,
      discarded: 0,
      errors: [new Error('no'), new Error('no')],
    })
    expect(recorder.pending).toEqual([])
    expect(log().filter((line) => line === 'succeeded deep').length).toBe(2)
  })

  test('disposes of resources before it returns, also without a task', async () => {
    const log: string[] = []
    const { recorder, call } = recorded((tasks, ...[withTask]: boolean[]) => {
      tasks.use({
        async [Symbol.asyncDispose]() {
          await turn()
          log.push('disposed')
        },
      })
      if (withTask) tasks.add(() => log.push('task'))
      return ok()
    })
    await call()
    await turn()
    expect(log).toEqual([])
    await recorder.runAll()
    expect(log).toEqual(['disposed'])
  })

  test('without anything to run it returns at once', async () => {
    expect(await recordTasks().runAll()).toEqual({ succeeded: 0, failed: 0, discarded: 0, errors: [] })
  })

  test('called again it runs what came since, and reports that alone', async () => {
    const { recorder, call, log } = recorded((tasks) => {
      tasks.add(function task() {})
      return ok()
    })
    await call()
    const first = await recorder.runAll()
    await call()
    expect((await recorder.runAll()).succeeded).toBe(1)
    expect(first.succeeded, 'the first report is as it was').toBe(1)
    expect(log().filter((line) => line === 'succeeded task').length).toBe(2)
  })

  test('called twice at once both wait, each task runs once, and both reports are complete', async () => {
    const gate = deferred()
    const { recorder, call, log } = recorded((tasks) => {
      tasks.add(function task() {
        return gate.promise
      })
      return ok()
    })
    await call()
    const both = [recorder.runAll(), recorder.runAll()]
    await turn()
    gate.resolve()
    expect((await Promise.all(both)).map(({ succeeded }) => succeeded)).toEqual([1, 1])
    expect(log()).toEqual(['added task', 'started task', 'succeeded task'])
  })

  test('leaves the tasks of a handler that still runs, for the next call', async () => {
    const gate = deferred()
    const { recorder, handler, log } = recorded(async (tasks, ...[slow]: boolean[]) => {
      tasks.add(function task() {})
      if (slow) await gate.promise
      return ok()
    })
    const request = (): Request => new Request('http://localhost/')
    const slow = handler(request(), true)
    await handler(request(), false)
    expect((await recorder.runAll()).succeeded).toBe(1)
    expect(names(recorder)).toEqual(['task'])
    gate.resolve()
    await slow
    expect((await recorder.runAll()).succeeded).toBe(1)
    expect(log().filter((line) => line === 'started task').length).toBe(2)
  })

  test('a task added after the run is held again, and run by the next', async () => {
    let late!: BackgroundTasks
    const { recorder, call, log } = recorded((tasks) => {
      late = tasks
      tasks.add(function first() {})
      return ok()
    })
    await call()
    await recorder.runAll()
    late.add(function second() {})
    for (let i = 0; i < 5; i++) await turn()
    expect(names(recorder)).toEqual(['second'])
    expect(log().at(-1)).toBe('added second')
    expect((await recorder.runAll()).succeeded).toBe(1)
  })

  test('inside a task it says that it would wait for itself', async () => {
    const { recorder, call } = recorded((tasks) => {
      tasks.add(() => recorder.runAll())
      return ok()
    })
    await call()
    expect((await recorder.runAll()).errors).toEqual([
      new Error('Cannot run all tasks inside one of them as it would wait for itself'),
    ])
  })

  test('tasks do not start in the turn in which their handler returned', async () => {
    const { recorder, call, log } = recorded((tasks) => {
      tasks.add(function task() {})
      return ok()
    })
    const response = call()
    const running = recorder.runAll()
    for (let i = 0; i < 20; i++) await Promise.resolve()
    expect([response instanceof Response, log()]).toEqual([true, ['added task']])
    await running
    expect(log().at(-1)).toBe('succeeded task')
  })
})

describe('errors', () => {
  test('are collected in order over all runs, and onError is called as always', async () => {
    const told: unknown[] = []
    let count = 0
    const { recorder, call } = recorded(
      (tasks) => {
        tasks.add(fails, `${++count}`)
        tasks.add(() => Promise.reject(undefined))
        return ok()
      },
      { onError: (error) => told.push(error) },
    )
    for (let i = 0; i < 2; i++) {
      await call()
      await recorder.runAll()
    }
    expect(recorder.errors).toEqual([new Error('1'), undefined, new Error('2'), undefined])
    expect(told).toEqual(recorder.errors)
  })

  test('with throwErrors the one error is thrown as it is, once all tasks have ended', async () => {
    const error = new Error('no')
    const { recorder, call, log } = recorded((tasks) => {
      tasks.add(() => Promise.reject(error))
      tasks.add(async function last() {
        await turn()
      })
      return ok()
    })
    await call()
    await expect(recorder.runAll({ throwErrors: true })).rejects.toBe(error)
    expect(log().at(-1)).toBe('succeeded last')
    expect(await recorder.runAll({ throwErrors: true })).toEqual({ succeeded: 0, failed: 0, discarded: 0, errors: [] })
  })

  test('with throwErrors several are thrown as an AggregateError', async () => {
    const { recorder, call } = recorded((tasks) => {
      for (const message of ['1', '2']) tasks.add(fails, message)
      return ok()
    })
    await call()
    const error = await recorder.runAll({ throwErrors: true }).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(AggregateError)
    expect([error.message, error.errors]).toEqual(['2 tasks failed', [new Error('1'), new Error('2')]])
  })

  test('without onError a failed task is printed as always', async () => {
    const { recorder, call } = recorded(
      (tasks) => {
        tasks.add(fails, 'no')
        return ok()
      },
      { onError: undefined },
    )
    await call()
    await recorder.runAll()
    expect(takePrinted()).toEqual([expect.stringContaining("background-tasks: task 'fails' failed")])
  })

  test('an observer of the wrapper sees every event as always, and one that throws costs nothing', async () => {
    const { recorder, call } = recorded(
      (tasks) => {
        tasks.add(() => {})
        return ok()
      },
      { observer: ({ type }) => fails(type) },
    )
    await call()
    expect((await recorder.runAll()).succeeded).toBe(1)
    expect(takePrinted().map((line) => /Error: (\w+)/.exec(line)?.[1])).toEqual(['added', 'started', 'succeeded'])
  })
})

describe('what does not run', () => {
  test('tasks of a handler that threw are discarded at once', async () => {
    const { recorder, call, events } = recorded((tasks) => {
      tasks.add(() => {})
      fails('the handler')
    })
    expect(call).toThrow('the handler')
    expect(recorder.pending).toEqual([])
    expect(events.at(-1)).toMatchObject({ type: 'discarded', reason: 'the handler threw' })
    expect((await recorder.runAll()).succeeded).toBe(0)
  })

  test('runOn is asked as always: a rule when the list starts', async () => {
    const { recorder, call } = recorded(
      (tasks) => {
        tasks.add(() => {})
        return ok()
      },
      { runOn: ({ delivery }) => delivery !== 'returned' },
    )
    await call()
    expect(recorder.pending.length).toBe(1)
    expect((await recorder.runAll()).discarded).toBe(1)
  })

  test("with runOn 'always' the tasks of a handler that threw are held, and run", async () => {
    const { recorder, call } = recorded(
      (tasks) => {
        tasks.add(() => {})
        fails('the handler')
      },
      { runOn: 'always' },
    )
    expect(call).toThrow('the handler')
    expect((await recorder.runAll()).succeeded).toBe(1)
  })

  test('clear discards what is held, of running handlers too, and the lists are over', async () => {
    const gate = deferred()
    const log: string[] = []
    const { recorder, handler, events } = recorded(async (tasks, ...[slow]: boolean[]) => {
      tasks.use({ [Symbol.dispose]: () => log.push('disposed') })
      tasks.add(function task() {})
      if (slow) await gate.promise
      return ok()
    })
    const slow = handler(new Request('http://localhost/'), true)
    await handler(new Request('http://localhost/'), false)
    recorder.clear()
    expect(recorder.pending).toEqual([])
    expect(events.slice(2).map(({ type, reason }) => [type, reason])).toEqual([
      ['discarded', 'cleared'],
      ['discarded', 'cleared'],
    ])
    gate.resolve()
    await slow
    recorder.clear()
    expect(await handler.drain()).toMatchObject({ abandoned: [] })
    expect(log).toEqual(['disposed', 'disposed'])
    expect(await recorder.runAll()).toMatchObject({ succeeded: 0, discarded: 0 })
  })

  test('a drain of the wrapper that reaches its deadline abandons what is held', async () => {
    const { recorder, handler, call } = recorded((tasks) => {
      tasks.add(function task() {})
      return ok()
    })
    await call()
    expect((await handler.drain({ timeoutMs: 0 })).abandoned).toMatchObject([{ name: 'task' }])
    expect(recorder.pending).toEqual([])
    expect((await recorder.runAll()).succeeded).toBe(0)
  })
})

describe('time', () => {
  afterEach(() => void vi.useRealTimers())

  // All but nextTick, which vitest cannot fake in a child process.
  const FAKE = ['setTimeout', 'setInterval', 'setImmediate', 'Date', 'performance', 'queueMicrotask'] as const

  test('retries come at once', async () => {
    const { recorder, call, events } = recorded(
      (tasks) => {
        tasks.add(fails, 'no')
        return ok()
      },
      { retry: { attempts: 4, delayMs: 60_000, jitter: 0 } },
    )
    await call()
    expect((await recorder.runAll()).errors).toEqual([new Error('no')])
    expect(events.filter(({ type }) => type === 'retrying').length).toBe(3)
  })

  test.each(['real', 'fake'])(
    'with %s timers a task may wait for the tasks of a request that it makes itself',
    async (timers) => {
      if (timers === 'fake') vi.useFakeTimers({ toFake: [...FAKE] })
      const inner = deferred()
      const { recorder, handler } = recorded((tasks, ...[isInner]: boolean[]) => {
        if (isInner) tasks.add(inner.resolve)
        else {
          tasks.add(async () => {
            await handler(new Request('http://localhost/'), true)
            await inner.promise
          })
        }
        return ok()
      })
      await handler(new Request('http://localhost/'), false)
      expect((await recorder.runAll()).succeeded).toBe(2)
    },
  )

  test('fake timers of every kind stop neither the run, nor retries, nor time limits, nor resources', async () => {
    vi.useFakeTimers({ toFake: [...FAKE] })
    const log: string[] = []
    const { recorder, call } = recorded(
      (tasks) => {
        tasks.use({ [Symbol.dispose]: () => log.push('disposed') })
        tasks.add(fails, 'no')
        tasks.add(() => new Promise(() => {}))
        tasks.add(() => tasks.add(() => log.push('nested')))
        return ok()
      },
      { retry: { attempts: 2, delayMs: 60_000 }, timeoutMs: 5 },
    )
    await call()
    const { errors, ...report } = await recorder.runAll()
    expect(report).toEqual({ succeeded: 2, failed: 2, discarded: 0 })
    expect(errors.map((error) => (error as Error).name)).toEqual(['Error', 'TaskTimeoutError'])
    expect(log).toEqual(['nested', 'disposed'])
  })
})

describe('in a Hono app', () => {
  test('app.request() answers, and the recorder has the tasks', async () => {
    const recorder = recordTasks()
    const log: string[] = []
    const app = new Hono().use(backgroundTasks({ adapter: recorder }))
    app.post('/signup', async (c) => {
      c.var.tasks.add((email: string) => log.push(email), await c.req.text())
      return c.text('signed up', 201)
    })
    expect((await app.request('/signup', { method: 'POST', body: 'ada' })).status).toBe(201)
    expect(recorder.pending.map(({ args }) => args)).toEqual([['ada']])
    expect(log).toEqual([])
    await recorder.runAll({ throwErrors: true })
    expect(log).toEqual(['ada'])
  })
})

describe("with start: 'body'", () => {
  test('what a body adds while it is read is held like the rest', async () => {
    const { recorder, call, log } = recorded(
      (tasks) => {
        const body = new ReadableStream(
          {
            pull(controller) {
              tasks.add(function inBody() {})
              controller.close()
            },
          },
          { highWaterMark: 0 },
        )
        return new Response(body)
      },
      { start: 'body' },
    )
    await (await call()).text()
    for (let i = 0; i < 5; i++) await turn()
    expect(log()).toEqual(['added inBody'])
    expect((await recorder.runAll()).succeeded).toBe(1)
  })
})

test('a list that is over is let go, however it ended', async () => {
  expect(await scenarioOn('node', '_testing-memory.ts')).toEqual(['held'])
})

test('is an adapter by its type', () => {
  expectTypeOf(recordTasks()).toExtend<Adapter>()
})

describe('the same recorder', () => {
  const seen = {
    bodies: ['plain', 'hono', 'sorry'],
    before: { log: [], pending: [['flaky', 'flaky'], ['nests'], ['fails']] },
    after: {
      log: ['onError', 'flaky at attempt 3', 'added by a task', 'disposed'],
      pending: 0,
      report: { succeeded: 3, failed: 1, discarded: 0 },
      errors: ['Error: no'],
    },
    cleared: 0,
  }
  const SCENARIO = '_testing-scenario.ts'

  test.each<Runtime>(['node', 'deno', 'bun'])('works on %s', async (runtime) => {
    expect(await scenarioOn(runtime, SCENARIO)).toEqual(seen)
  })

  test('works on Node 20', async () => {
    expect(await scenarioOnNode20(SCENARIO, 'esm')).toEqual(seen)
  })

  test('works on Workers', async () => {
    expect(await scenarioOnWorkerd(SCENARIO, [])).toEqual(seen)
  })

  test('works beside createExecutionContext and waitOnExecutionContext on Workers, and does not hang them', async () => {
    expect(await scenarioOnWorkerd('_testing-workers.ts', [])).toEqual({
      registered: 1,
      waited: ["the handler's own"],
      pending: ['task'],
      after: ["the handler's own", 'task'],
      succeeded: 1,
    })
  })
})

test('an observer that rejects is printed, as without a recorder', async () => {
  const recorder = recordTasks()
  const handler = withBackgroundTasks(
    (_request, tasks) => {
      tasks.add(function task() {})
      return new Response('ok')
    },
    {
      adapter: recorder,
      observer: (async () => {
        throw new Error('meant to throw')
      }) as unknown as Observer,
    },
  )
  await handler(new Request('http://localhost/'))
  await recorder.runAll()
  await new Promise((resolve) => setImmediate(resolve))
  expect(takePrinted()).toEqual(Array(3).fill('background-tasks: observer failed: Error: meant to throw'))
})
