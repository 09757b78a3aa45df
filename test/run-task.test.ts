import { describe, expect, test } from 'vitest'
import type { BackgroundTasks } from '../src/index.ts'
import { takePrinted } from './_printed.ts'
import { deferred, endsOf, ok, turn, wrapped } from './_wrapped.ts'

/** A thenable that does this when it is awaited. */
function thenable(then: (done: () => void, fail: (error: unknown) => void) => void): object {
  return { then }
}

describe('a task', () => {
  test('is awaited before the next one, whether it returns a promise or a thenable', async () => {
    const log: string[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.add(async () => {
        await turn()
        log.push('async')
      })
      tasks.add(() =>
        thenable((done) => {
          setImmediate(() => {
            log.push('thenable')
            done()
          })
        }),
      )
      tasks.add(() => log.push('last'))
      return ok()
    })
    await call()
    await handler.drain()
    expect(log).toEqual(['async', 'thenable', 'last'])
  })

  test('that throws, or rejects with undefined, is reported once and the next one runs', async () => {
    const failures: unknown[] = []
    const { call, handler, events } = wrapped(
      (tasks) => {
        tasks.add(function throws() {
          throw new Error('no')
        })
        tasks.add(function rejects() {
          return Promise.reject(undefined)
        })
        tasks.add(function last() {})
        return ok()
      },
      { onError: (error, { name, attempt }) => failures.push([String(error), name, attempt]) },
    )
    await call()
    expect(await handler.drain()).toEqual({ succeeded: 1, failed: 2, discarded: 0, abandoned: [] })
    expect(failures).toEqual([
      ['Error: no', 'throws', 1],
      ['undefined', 'rejects', 1],
    ])
    expect(endsOf(events).map(({ type }) => type)).toEqual(['failed', 'failed', 'succeeded'])
  })

  test('that returns a thenable which settles twice, or throws from then, ends once', async () => {
    const { call, handler, events } = wrapped((tasks) => {
      tasks.add(() =>
        thenable((done, fail) => {
          done()
          done()
          fail(new Error('late'))
        }),
      )
      tasks.add(() =>
        thenable(() => {
          throw new Error('from then')
        }),
      )
      tasks.add(() => ({
        // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
        get then() {
          throw new Error('from the getter')
        },
      }))
      return ok()
    })
    await call()
    await handler.drain()
    expect(endsOf(events).map(({ type }) => type)).toEqual(['succeeded', 'failed', 'failed'])
  })

  test('that returns a promise with a `then` of its own which throws has failed, and the next one runs', async () => {
    const { call, handler, log } = wrapped((tasks) => {
      tasks.add(function overridden() {
        return Object.assign(
          Promise.resolve(),
          thenable(() => {
            throw new Error('from then')
          }),
        )
      })
      tasks.add(function last() {})
      return ok()
    })
    await call()
    await handler.drain()
    expect(log().slice(2)).toEqual(['started overridden', 'failed overridden', 'started last', 'succeeded last'])
  })

  test('may be a callable of which no property can be read: it is called anonymous, and the next one runs', async () => {
    const sealed = new Proxy(() => {}, {
      get() {
        throw new Error('from the getter')
      },
    })
    const { call, handler, log } = wrapped((tasks) => {
      tasks.add(sealed)
      tasks.add(function last() {})
      return ok()
    })
    await call()
    await handler.drain()
    expect(log().slice(2)).toEqual(['started anonymous', 'succeeded anonymous', 'started last', 'succeeded last'])
  })

  test('may be any callable: its name in events is a string, also where the callable has another kind of name', async () => {
    // As an RPC method of Workers is: every property of it is one more of its kind.
    const method: () => void = new Proxy(() => {}, { get: () => method })
    const { call, handler, events } = wrapped((tasks) => {
      tasks.add(method)
      tasks.add(() => {})
      return ok()
    })
    await call()
    expect((await handler.drain()).succeeded).toBe(2)
    expect(new Set(events.map(({ task }) => task.name))).toEqual(new Set(['anonymous']))
  })

  test('that was abandoned may still reject: nobody hears of it, and the process sees no unhandled rejection', async () => {
    const started = deferred()
    const gate = deferred()
    const failures: unknown[] = []
    const { call, handler, log } = wrapped(
      (tasks) => {
        tasks.add(function hangs() {
          started.resolve()
          return gate.promise
        })
        return ok()
      },
      { onError: (error) => failures.push(error) },
    )
    await call()
    await started.promise
    await handler.drain({ timeoutMs: 5 })
    gate.reject(new Error('late'))
    await turn()
    expect(log().at(-1)).toBe('abandoned hangs')
    expect(failures).toEqual([])
  })
})

describe('onError', () => {
  test('when left out prints one line, with name, id, attempt and error', async () => {
    const { call, handler, events } = wrapped(
      (tasks) => {
        tasks.add(function sendMail() {
          throw new Error('smtp')
        })
        return ok()
      },
      { onError: undefined },
    )
    await call()
    await handler.drain()
    expect(takePrinted()).toEqual([
      `background-tasks: task 'sendMail' failed (id ${events[0]?.task.id}, attempt 1): Error: smtp`,
    ])
  })

  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('mine')
      },
    ],
    ['rejects', () => Promise.reject(new Error('mine'))],
  ])('that %s is printed and goes no further: the next task runs', async (_how, onError) => {
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(() => Promise.reject(new Error('task')))
        tasks.add(() => {})
        return ok()
      },
      { onError },
    )
    await call()
    expect(await handler.drain()).toEqual({ succeeded: 1, failed: 1, discarded: 0, abandoned: [] })
    await turn()
    expect(takePrinted()).toEqual(['background-tasks: onError failed: Error: mine'])
  })

  test('may add a task, to make up for the one that failed', async () => {
    let list!: BackgroundTasks
    const { call, handler, log } = wrapped(
      (tasks) => {
        list = tasks
        tasks.add(() => Promise.reject(new Error('no')))
        return ok()
      },
      { onError: () => list.add(function makesUp() {}) },
    )
    await call()
    await handler.drain()
    expect(log().at(-1)).toBe('succeeded makesUp')
  })
})

describe('an observer', () => {
  test('sees each step of a task, with id, attempt, duration, error and delivery', async () => {
    const { call, handler, events } = wrapped((tasks) => {
      tasks.add(async function slow() {
        await turn()
      })
      tasks.add(function fails() {
        throw new Error('no')
      })
      return ok()
    })
    const before = Date.now()
    await call()
    await handler.drain()
    const [added, , started, succeeded, , failed] = events
    expect(events.map(({ type }) => type)).toEqual(['added', 'added', 'started', 'succeeded', 'started', 'failed'])
    expect(added).toEqual({ type: 'added', task: { id: expect.any(String), name: 'slow' }, at: expect.any(Number) })
    expect(added?.at).toBeGreaterThanOrEqual(before)
    expect(started).toEqual({ ...added, type: 'started', at: expect.any(Number), attempt: 1, delivery: 'returned' })
    expect(succeeded).toEqual({
      ...started,
      type: 'succeeded',
      at: expect.any(Number),
      durationMs: expect.any(Number),
    })
    expect(succeeded?.durationMs).toBeGreaterThan(0)
    expect(failed?.task.id).not.toBe(added?.task.id)
    expect(failed?.error).toEqual(new Error('no'))
  })

  test('that throws, or rejects, is printed and goes no further', async () => {
    let throws = false
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(() => {})
        return ok()
      },
      {
        observer: (): void | Promise<void> => {
          throws = !throws
          if (throws) throw new Error('mine')
          return Promise.reject(new Error('mine'))
        },
      },
    )
    await call()
    expect((await handler.drain()).succeeded).toBe(1)
    await turn()
    expect(takePrinted()).toEqual(new Array(3).fill('background-tasks: observer failed: Error: mine'))
  })

  test('that ends other tasks while it is told of one sees exactly one end of each', async () => {
    const stop = new AbortController()
    const ends: string[] = []
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(function fails() {
          throw new Error('no')
        })
        tasks.add(function rest() {})
        return ok()
      },
      {
        observer: ({ type, task }) => {
          if (type === 'failed') stop.abort()
          if (type !== 'added' && type !== 'started') ends.push(`${type} ${task.name}`)
        },
      },
    )
    await call()
    const report = await handler.drain({ signal: stop.signal })
    expect(ends.sort()).toEqual(['abandoned rest', 'failed fails'])
    expect(report.abandoned.map(({ name }) => name)).toEqual(['rest'])
  })

  test('that clears the list while it is told of a discarded task sees that one once', async () => {
    let list!: BackgroundTasks
    const ends: string[] = []
    const { call, handler } = wrapped(
      (tasks) => {
        list = tasks
        tasks.add(function one() {})
        tasks.add(function two() {})
        throw new Error('no')
      },
      {
        observer: ({ type, task }) => {
          if (type !== 'discarded') return
          ends.push(task.name)
          if (ends.length < 10) list.clear()
        },
      },
    )
    expect(() => call()).toThrow('no')
    await handler.drain()
    expect(ends.sort()).toEqual(['one', 'two'])
  })
})

describe('a task that is not what it seems', () => {
  test('and calls itself async, but gives no promise, has succeeded', async () => {
    // As debounce-fn makes them.
    const mimic = Object.setPrototypeOf(
      function mimic() {},
      Object.getPrototypeOf(async () => {}),
    )
    const { call, handler, log } = wrapped((tasks) => {
      tasks.add(mimic)
      return ok()
    })
    await call()
    await handler.drain({ timeoutMs: 1_000 })
    expect(log().at(-1)).toBe('succeeded mimic')
  })

  test('and throws what cannot be looked at, has failed, also with further attempts to come', async () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const thrown: unknown[] = [
      Object.assign(new Error('no'), { name: Symbol('name') }),
      Object.defineProperty(new Error('no'), 'name', { get: () => expect.fail('meant to throw') }),
      proxy,
    ]
    const { call, handler } = wrapped(
      (tasks) => {
        for (const error of thrown) {
          tasks.add(async () => {
            throw error
          })
        }
        tasks.add(function next() {})
        return ok()
      },
      { retry: { attempts: 2, delayMs: 0 } },
    )
    await call()
    expect(await handler.drain({ timeoutMs: 1_000 })).toEqual({ succeeded: 1, failed: 3, discarded: 0, abandoned: [] })
  })

  test('has failed, and the next one runs, where console.error throws', async () => {
    const { handler, call } = wrapped(
      (tasks) => {
        tasks.add(() => {
          throw new Error('no')
        })
        tasks.add(function next() {})
        return ok()
      },
      { onError: undefined },
    )
    const print = console.error
    console.error = (): never => {
      throw new Error('no console.error in tests, please')
    }
    try {
      await call()
      expect(await handler.drain({ timeoutMs: 1_000 })).toMatchObject({ succeeded: 1, failed: 1, abandoned: [] })
    } finally {
      console.error = print
    }
  })
})
