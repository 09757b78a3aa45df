import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import {
  type Adapter,
  type BackgroundTasks,
  type BackgroundTasksOptions,
  createBackgroundTasks,
  type Delivery,
  type DrainReport,
} from '../src/index.ts'
import { deferred, ok, turn, wrapped } from './_wrapped.ts'

/** The timers that were made in this block and neither fired nor were cleared; the runner's own are not among them. */
function watchTimers(): Disposable & { readonly live: ReadonlyMap<unknown, number> } {
  const { setTimeout, clearTimeout } = globalThis
  const live = new Map<unknown, number>()
  globalThis.setTimeout = ((fire: () => void, ms: number) => {
    const fired = (): void => {
      live.delete(timer)
      fire()
    }
    const timer = setTimeout(fired, ms)
    live.set(timer, ms)
    return timer
  }) as typeof setTimeout
  globalThis.clearTimeout = (timer) => {
    live.delete(timer)
    clearTimeout(timer)
  }
  return { live, [Symbol.dispose]: () => void Object.assign(globalThis, { setTimeout, clearTimeout }) }
}

const nothing: DrainReport = { succeeded: 0, failed: 0, discarded: 0, abandoned: [] }

describe('open and settle', () => {
  test('make a middleware: the list of a request, and what has to be answered', async () => {
    const background = createBackgroundTasks()
    const log: string[] = []
    const request = new Request('http://localhost/')
    const { tasks, settle } = background.open({ request })
    expect(background.open({ request }).tasks).toBe(tasks)
    tasks.add(() => log.push('ran'))
    const response = ok()
    expect(settle(response)).toBe(response)
    await background.drain()
    expect(log).toEqual(['ran'])
  })

  test('work without a request', async () => {
    const background = createBackgroundTasks()
    const { tasks, settle } = background.open()
    tasks.add(() => {})
    settle(undefined)
    expect((await background.drain()).succeeded).toBe(1)
  })

  test('settle the first time only', async () => {
    const background = createBackgroundTasks({ runOn: ({ threw, status }) => !threw && status === 200 })
    const { tasks, settle } = background.open()
    tasks.add(() => {})
    settle(ok())
    settle(undefined, { error: new Error('late') })
    expect((await background.drain()).succeeded).toBe(1)
  })

  test('take an error beside the response that was made of it', async () => {
    const background = createBackgroundTasks()
    const { tasks, settle } = background.open()
    tasks.add(() => {})
    const response = new Response(null, { status: 500 })
    expect(settle(response, { error: new Error('handled') })).toBe(response)
    expect(tasks.size, 'a handler that threw: discarded').toBe(0)
  })

  test('take null for an ending that says nothing', async () => {
    const background = createBackgroundTasks()
    const { tasks, settle } = background.open()
    tasks.add(() => {})
    settle(ok(), null as never)
    expect((await background.drain()).succeeded).toBe(1)
  })
})

describe('a Request that is handled once more, when its response has left', () => {
  /** Starts the tasks when it is told to. */
  function heldBack(start: BackgroundTasksOptions['start']) {
    const starts: ((delivery: Delivery) => void)[] = []
    const adapter: Adapter = { name: 'held back', afterResponse: (begin) => void starts.push(begin) }
    return { background: createBackgroundTasks({ adapter, start }), starts }
  }

  test.each([
    ['it had no task, but its body might have added one', 'body', () => {}],
    ['all its tasks were cleared meanwhile', 'auto', (tasks: BackgroundTasks) => tasks.clear()],
  ] as const)('has a list of its own: %s', async (_what, start, meanwhile) => {
    const { background, starts } = heldBack(start)
    const request = new Request('http://localhost/')
    const { tasks, settle } = background.open({ request })
    if (start === 'auto') tasks.add(() => {})
    settle(ok())
    meanwhile(tasks)
    expect(background.open({ request }).tasks, 'as long as it is under way').toBe(tasks)
    for (const begin of starts) begin('flushed')
    await turn()
    expect(background.open({ request }).tasks).not.toBe(tasks)
  })
})

describe('drain', () => {
  test('resolves at once when nothing is unsettled', async () => {
    expect(await wrapped(ok).handler.drain()).toEqual(nothing)
  })

  test('waits for tasks that were added by tasks, and by whoever awaited the last one', async () => {
    const last = deferred()
    const { call, handler } = wrapped((tasks) => {
      const awaiting = async (): Promise<void> => {
        await last.promise
        for (let i = 0; i < 10; i++) await undefined
        tasks.add(turn)
      }
      tasks.add(() => tasks.add(last.resolve))
      awaiting()
      return ok()
    })
    await call()
    expect((await handler.drain()).succeeded).toBe(3)
  })

  test('counts only what ended while it ran', async () => {
    const { call, handler } = wrapped((tasks) => {
      tasks.add(() => {})
      return ok()
    })
    await call()
    const first = await handler.drain()
    await call()
    expect(await handler.drain()).toEqual({ ...nothing, succeeded: 1 })
    expect(first).toEqual({ ...nothing, succeeded: 1 })
  })

  test('abandons at its deadline what runs and what waits, once and finally', async () => {
    const started = deferred()
    const gate = deferred()
    const { call, handler, log } = wrapped((tasks) => {
      tasks.add(function hangs() {
        started.resolve()
        return gate.promise
      })
      tasks.add(function waits() {})
      return ok()
    })
    await call()
    await started.promise
    const report = await handler.drain({ timeoutMs: 20 })
    expect(report).toEqual({
      ...nothing,
      abandoned: [
        { id: expect.any(String), name: 'hangs' },
        { id: expect.any(String), name: 'waits' },
      ],
    })
    const seen = log()
    expect(seen.slice(-2)).toEqual(['abandoned hangs', 'abandoned waits'])
    gate.resolve()
    await turn()
    expect(log(), 'the late result is ignored, the waiting task does not start').toEqual(seen)
    expect(await handler.drain()).toEqual(nothing)
  })

  test('ends as at its deadline when the signal aborts, or has aborted', async () => {
    const { call, handler } = wrapped((tasks) => {
      tasks.add(() => new Promise(() => {}))
      return ok()
    })
    await call()
    const controller = new AbortController()
    const draining = handler.drain({ signal: controller.signal })
    await turn()
    controller.abort()
    expect((await draining).abandoned.length).toBe(1)
    await call()
    expect((await handler.drain({ signal: AbortSignal.abort() })).abandoned.length).toBe(1)
  })

  test('of two callers the earlier deadline wins, and both are told', async () => {
    const { call, handler } = wrapped((tasks) => {
      tasks.add(() => new Promise(() => {}))
      return ok()
    })
    await call()
    const reports = await Promise.all([handler.drain(), handler.drain({ timeoutMs: 20 })])
    expect(reports.map(({ abandoned }) => abandoned.length)).toEqual([1, 1])
  })

  test('does not end at once for a time past 2^31-1 ms, and leaves no timer behind', async () => {
    const gate = deferred()
    const { call, handler } = wrapped((tasks) => {
      tasks.add(() => gate.promise)
      return ok()
    })
    await call()
    using timers = watchTimers()
    const draining = [handler.drain({ timeoutMs: 2 ** 31 }), handler.drain({ timeoutMs: Infinity })]
    await turn()
    expect([...timers.live.values()]).toEqual([2 ** 31 - 1])
    gate.resolve()
    for (const report of await Promise.all(draining)) expect(report).toEqual({ ...nothing, succeeded: 1 })
    expect(timers.live.size).toBe(0)
  })

  test('takes its timer and its listener back, however it ends', async () => {
    const { signal } = new AbortController()
    const gates = [deferred(), deferred()]
    let calls = 0
    const { call, handler } = wrapped((tasks) => {
      const { promise } = gates[calls++] as { promise: Promise<void> }
      tasks.add(() => promise)
      return ok()
    })
    using timers = watchTimers()
    await call()
    const draining = handler.drain({ timeoutMs: 60_000, signal })
    await turn()
    expect([timers.live.size, getEventListeners(signal, 'abort').length]).toEqual([1, 1])
    gates[0]?.resolve()
    expect((await draining).succeeded).toBe(1)
    expect([timers.live.size, getEventListeners(signal, 'abort').length]).toEqual([0, 0])
    await call()
    expect((await handler.drain({ timeoutMs: 5, signal })).abandoned.length).toBe(1)
    expect([timers.live.size, getEventListeners(signal, 'abort').length]).toEqual([0, 0])
  })

  test('ends at its deadline even when an observer adds a task then, and that one is not lost', async () => {
    let list!: BackgroundTasks
    const started = deferred()
    const gate = deferred()
    const ends: string[] = []
    const { call, handler } = wrapped(
      (tasks) => {
        list = tasks
        tasks.add(function hangs() {
          started.resolve()
          return new Promise(() => {})
        })
        return ok()
      },
      {
        observer: ({ type, task }) => {
          if (type === 'abandoned' && task.name === 'hangs') {
            list.add(function saved() {
              return gate.promise
            })
          }
          if (type !== 'added' && type !== 'started') ends.push(task.name)
        },
      },
    )
    await call()
    await started.promise
    const tooLong = new Promise((resolve) => setTimeout(resolve, 1000, 'it hangs'))
    expect(await Promise.race([handler.drain({ timeoutMs: 5 }), tooLong])).not.toBe('it hangs')
    gate.resolve()
    expect(await Promise.race([handler.drain(), tooLong])).not.toBe('it hangs')
    expect(ends.sort()).toEqual(['hangs', 'saved'])
    expect(list.size).toBe(0)
  })

  test('waits for no task of another wrapper', async () => {
    const gate = deferred()
    const other = wrapped((tasks) => {
      tasks.add(() => gate.promise)
      return ok()
    })
    await other.call()
    expect(await wrapped(ok).handler.drain()).toEqual(nothing)
    gate.resolve()
    expect((await other.handler.drain()).succeeded).toBe(1)
  })

  test('welcomes new tasks afterwards', async () => {
    const { call, handler } = wrapped((tasks) => {
      tasks.add(() => {})
      return ok()
    })
    await handler.drain({ timeoutMs: 0 })
    await call()
    expect((await handler.drain()).succeeded).toBe(1)
  })

  const refusal = 'Cannot drain inside a task as it would wait for itself'

  test('rejects when one of its own tasks calls it at once, on any host', async () => {
    const errors: unknown[] = []
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(() => handler.drain())
        return ok()
      },
      { onError: (error) => errors.push(error) },
    )
    await call()
    expect((await handler.drain()).failed).toBe(1)
    expect(errors).toEqual([new Error(refusal)])
  })

  test('rejects when one of its own tasks calls it later, where the host can tell', async () => {
    const canTell = Number.parseInt(process.versions.node, 10) >= 24
    const answers: unknown[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.add(async () => {
        await turn()
        answers.push(canTell ? await handler.drain().catch((error: Error) => error.message) : refusal)
      })
      return ok()
    })
    await call()
    await handler.drain()
    expect(answers).toEqual([refusal])
  })

  test('may be called by what a task has started, such as a timer, once that task is over', async () => {
    const drained = deferred<DrainReport>()
    const { call, handler } = wrapped((tasks) => {
      tasks.add(async () => {
        setImmediate(() => handler.drain().then(drained.resolve, drained.reject))
      })
      return ok()
    })
    await call()
    expect(await drained.promise).toEqual(nothing)
  })

  test('leaves no timer behind when it refuses a signal that is none', async () => {
    using timers = watchTimers()
    await expect(wrapped(ok).handler.drain({ timeoutMs: 5000, signal: {} as never })).rejects.toThrow(TypeError)
    const left = [...timers.live.keys()] as NodeJS.Timeout[]
    for (const timer of left) clearTimeout(timer)
    expect(left.length).toBe(0)
  })

  test('refuses a bad time', async () => {
    await expect(wrapped(ok).handler.drain({ timeoutMs: -1 })).rejects.toThrow(
      "Cannot drain as 'timeoutMs' must be a number of milliseconds, 0 or more: current value is -1",
    )
    await expect(wrapped(ok).handler.drain({ timeoutMs: Number.NaN })).rejects.toThrow('current value is NaN')
    await expect(wrapped(ok).handler.drain({ timeoutMs: '5' as never })).rejects.toThrow('current value is "5"')
  })

  test.each<[string, string, unknown]>([
    ["'signal' must be an AbortSignal", '"x"', { signal: 'x' }],
    ["'options' must be an object", 'null', null],
    ["'options' must be an object", '500', 500],
    ["'options' must be an object", '[object Array]', []],
  ])('refuses options of which %s: %s', async (rule, shown, options) => {
    await expect(wrapped(ok).handler.drain(options as never)).rejects.toThrow(
      new TypeError(`Cannot drain as ${rule}: current value is ${shown}`),
    )
  })
})

test('drain may be given to a hook as it is, which passes what it likes', async () => {
  const { drain } = wrapped(ok).handler
  const application = { server: {}, close() {} }
  expect(await (drain as (application: object) => Promise<unknown>)(application)).toMatchObject({ abandoned: [] })
})
