import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, test } from 'vitest'
import { BackgroundTasks, TooManyTasksError } from '../src/index.ts'
import { takePrinted } from './_printed.ts'
import { deferred, endsOf, ok, turn, wrapped } from './_wrapped.ts'

describe('add', () => {
  test('calls the function with its arguments, by reference, and with nothing else', async () => {
    const calls: unknown[] = []
    const user = { name: 'Ada' }
    const { call, handler } = wrapped((tasks) => {
      expect(tasks).toBeInstanceOf(BackgroundTasks)
      tasks.add(
        function task(this: unknown, ...args: unknown[]) {
          calls.push(this, ...args)
        },
        user,
        1,
      )
      return ok()
    })
    await call()
    await handler.drain()
    expect(calls).toEqual([undefined, user, 1])
    expect(calls[1]).toBe(user)
  })

  test('refuses what is no function, naming what came', async () => {
    const { call } = wrapped((tasks) => {
      expect(() => tasks.add(42 as never)).toThrow(
        new TypeError('Cannot add the task as it must be a function: current value is 42'),
      )
      expect(() => tasks.add({} as never)).toThrow('current value is [object Object]')
      expect(tasks.size).toBe(0)
      return ok()
    })
    await call()
    expect.assertions(3)
  })

  test('hints at the function when it is given the promise of a call', async () => {
    const { call } = wrapped((tasks) => {
      expect(() => tasks.add(Promise.resolve() as never)).toThrow(
        'pass the function and its arguments, not the promise',
      )
      return ok()
    })
    await call()
    expect.assertions(1)
  })

  test('awaits what the function returns, thenables too, before the next task', async () => {
    const log: string[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.add(async () => {
        await turn()
        log.push('async')
      })
      tasks.add(() => ({
        // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
        then(done: () => void) {
          setImmediate(() => {
            log.push('thenable')
            done()
          })
        },
      }))
      tasks.add(() => log.push('last'))
      return ok()
    })
    await call()
    await handler.drain()
    expect(log).toEqual(['async', 'thenable', 'last'])
  })

  test('from inside a task appends to the same list', async () => {
    const { call, handler, log } = wrapped((tasks) => {
      tasks.add(function first() {
        tasks.add(function third() {})
      })
      tasks.add(function second() {})
      return ok()
    })
    await call()
    expect((await handler.drain()).succeeded).toBe(3)
    expect(log().filter((line) => line.startsWith('started'))).toEqual([
      'started first',
      'started second',
      'started third',
    ])
  })

  test('after the list has settled starts a fresh run, covered by drain', async () => {
    let list!: BackgroundTasks
    const { call, handler, log } = wrapped((tasks) => {
      list = tasks
      tasks.add(function first() {})
      return ok()
    })
    await call()
    await handler.drain()
    list.add(function late() {})
    expect(list.size).toBe(1)
    expect((await handler.drain()).succeeded).toBe(1)
    expect(log().at(-1)).toBe('succeeded late')
  })

  test('after the handler threw is discarded: the first verdict holds', async () => {
    let list!: BackgroundTasks
    const { call, handler, log } = wrapped((tasks) => {
      list = tasks
      throw new Error('no')
    })
    expect(() => call()).toThrow('no')
    list.add(function late() {})
    await handler.drain()
    expect(log()).toEqual(['added late', 'discarded late'])
  })

  test('keeps the async context that was current at each call', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const { call, handler } = wrapped(async (tasks) => {
      storage.run('first', () => tasks.add(() => seen.push(storage.getStore())))
      storage.run('second', () =>
        tasks.add(async () => {
          await turn()
          seen.push(storage.getStore())
        }),
      )
      tasks.add(() => seen.push(storage.getStore()))
      return ok()
    })
    await storage.run('request', call)
    await handler.drain()
    expect(seen).toEqual(['first', 'second', 'request'])
  })

  test('refuses more than maxPending over all requests, and welcomes them again later', async () => {
    const gate = deferred()
    const lists: BackgroundTasks[] = []
    const { call, handler } = wrapped(
      (tasks) => {
        lists.push(tasks)
        tasks.add(() => gate.promise)
        return ok()
      },
      { maxPending: 2 },
    )
    await call()
    await call()
    expect(() => call()).toThrow(TooManyTasksError)
    expect(() => lists[0]?.add(function more() {})).toThrow(
      "Cannot add the task 'more' as 2 tasks are unsettled (maxPending): answer 503",
    )
    gate.resolve()
    await handler.drain()
    expect((await call()).status).toBe(200)
    await handler.drain()
  })
})

describe('isolation', () => {
  test('a task that throws, or rejects with undefined, is reported once and the next one runs', async () => {
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

  test('a thenable that settles twice, or throws from then, ends once', async () => {
    const { call, handler } = wrapped((tasks) => {
      tasks.add(() => ({
        // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
        then(done: () => void, fail: (error: unknown) => void) {
          done()
          done()
          fail(new Error('late'))
        },
      }))
      tasks.add(() => ({
        // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
        then() {
          throw new Error('from then')
        },
      }))
      tasks.add(() => ({
        // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
        get then() {
          throw new Error('from the getter')
        },
      }))
      return ok()
    })
    await call()
    expect(await handler.drain()).toEqual({ succeeded: 1, failed: 2, discarded: 0, abandoned: [] })
  })

  test('without onError one line is printed, with name, id, attempt and error', async () => {
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

  test('an onError that throws or rejects, and an observer that throws, are printed and go no further', async () => {
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(() => {
          throw new Error('task')
        })
        tasks.add(() => Promise.reject(new Error('task')))
        return ok()
      },
      {
        onError: (_error, { id }) => {
          if (id < '8') throw new Error('onError')
          return Promise.reject(new Error('onError'))
        },
        observer: () => {
          throw new Error('observer')
        },
      },
    )
    await call()
    expect((await handler.drain()).failed).toBe(2)
    await turn()
    const lines = takePrinted()
    expect(lines.filter((line) => line === 'background-tasks: onError failed: Error: onError').length).toBe(2)
    expect(lines.filter((line) => line === 'background-tasks: observer failed: Error: observer').length).toBe(6)
  })
})

describe('size, pending and clear', () => {
  test('size counts what was added and has not ended', async () => {
    const gate = deferred()
    let list!: BackgroundTasks
    const { call, handler } = wrapped((tasks) => {
      list = tasks
      expect(tasks.size).toBe(0)
      tasks.add(() => gate.promise)
      tasks.add(() => {})
      expect(tasks.size).toBe(2)
      return ok()
    })
    await call()
    await turn()
    expect(list.size).toBe(2)
    gate.resolve()
    await handler.drain()
    expect(list.size).toBe(0)
  })

  test('pending shows what has not started, and changing it changes nothing', async () => {
    const { call, handler, log } = wrapped((tasks) => {
      tasks.add(function first(_to: string) {}, 'ada')
      tasks.add(() => {})
      const pending = tasks.pending as unknown as { args: unknown[] }[]
      expect(tasks.pending.map(({ name, args }) => [name, args])).toEqual([
        ['first', ['ada']],
        ['anonymous', []],
      ])
      expect(tasks.pending[0]?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/)
      pending[0]?.args.push('x')
      pending.pop()
      return ok()
    })
    await call()
    expect((await handler.drain()).succeeded).toBe(2)
    expect(log()[0]).toBe('added first')
  })

  test('clear discards what has not started, reported; what is running goes on; later adds run', async () => {
    const gate = deferred()
    let list!: BackgroundTasks
    const { call, handler, log } = wrapped((tasks) => {
      list = tasks
      tasks.add(function running() {
        return gate.promise
      })
      tasks.add(function waiting() {})
      return ok()
    })
    await call()
    await turn()
    await turn()
    list.clear()
    expect(log().at(-1)).toBe('discarded waiting')
    list.add(function later() {})
    gate.resolve()
    await handler.drain()
    expect(log().slice(-4)).toEqual(['added later', 'succeeded running', 'started later', 'succeeded later'])
  })

  test('a list that is cleared before it was started settles by itself', async () => {
    let work: Promise<void> | undefined
    const adapter = {
      name: 'never',
      keepAlive: (promise: Promise<void>) => {
        work = promise
      },
      afterResponse: () => expect.fail('there is nothing to start'),
    }
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(() => {})
        tasks.clear()
        return ok()
      },
      { adapter },
    )
    await call()
    await work
    expect(await handler.drain()).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
  })
})

describe('runOn', () => {
  const outcomes = {
    'a 200': () => ok(),
    'a 404': () => new Response(null, { status: 404 }),
    'a throw': () => {
      throw new Error('no')
    },
  }

  test.each([
    ['response', 'a 200', 'succeeded'],
    ['response', 'a 404', 'succeeded'],
    ['response', 'a throw', 'discarded'],
    ['success', 'a 200', 'succeeded'],
    ['success', 'a 404', 'discarded'],
    ['success', 'a throw', 'discarded'],
    ['always', 'a 200', 'succeeded'],
    ['always', 'a 404', 'succeeded'],
    ['always', 'a throw', 'succeeded'],
  ] as const)("'%s' after %s: the task has %s", async (runOn, outcome, end) => {
    const { call, handler, events } = wrapped(
      (tasks) => {
        tasks.add(() => {})
        return outcomes[outcome]()
      },
      { runOn },
    )
    try {
      await call()
    } catch {}
    await handler.drain()
    expect(endsOf(events).map(({ type }) => type)).toEqual([end])
  })

  test('a function is asked once, when the list starts, and knows status and delivery', async () => {
    const asked: unknown[] = []
    const { call, handler, events } = wrapped(
      (tasks) => {
        tasks.add(() => {})
        tasks.add(() => {})
        return new Response(null, { status: 202 })
      },
      {
        runOn: (outcome) => {
          asked.push(outcome)
          return false
        },
      },
    )
    await call()
    expect(asked).toEqual([])
    await handler.drain()
    expect(asked).toEqual([{ status: 202, threw: false, error: undefined, delivery: 'returned' }])
    expect(endsOf(events).map(({ type, reason }) => [type, reason])).toEqual([
      ['discarded', 'runOn said no'],
      ['discarded', 'runOn said no'],
    ])
  })

  test('a function is told what the handler threw', async () => {
    const error = new Error('no')
    const { call, handler, log } = wrapped(
      (tasks) => {
        tasks.add(function task() {})
        throw error
      },
      { runOn: (outcome) => outcome.threw && outcome.error === error },
    )
    expect(() => call()).toThrow(error)
    await handler.drain()
    expect(log().at(-1)).toBe('succeeded task')
  })

  test('a function that throws is printed and counts as false', async () => {
    const { call, handler, log } = wrapped(
      (tasks) => {
        tasks.add(function task() {})
        return ok()
      },
      {
        runOn: () => {
          throw new Error('rule')
        },
      },
    )
    await call()
    await handler.drain()
    expect(log().at(-1)).toBe('discarded task')
    expect(takePrinted()).toEqual(['background-tasks: runOn failed, the tasks are discarded: Error: rule'])
  })
})

test('an observer sees each step of a task, with id, attempt, duration, error and delivery', async () => {
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
  expect(succeeded?.task.id).toBe(added?.task.id)
  expect(succeeded?.durationMs).toBeGreaterThan(0)
  expect(failed?.error).toEqual(new Error('no'))
})

test('keepAlive is called once for each run of a list, synchronously at its first add, and work never rejects', async () => {
  const works: Promise<void>[] = []
  let list!: BackgroundTasks
  const adapter = {
    name: 'holding',
    keepAlive: (work: Promise<void>) => void works.push(work),
    afterResponse: (start: (delivery: 'returned') => void) => void setTimeout(() => start('returned')),
  }
  const { call } = wrapped(
    (tasks) => {
      list = tasks
      expect(works.length).toBe(0)
      tasks.add(() => Promise.reject(new Error('no')))
      expect(works.length).toBe(1)
      tasks.add(() => {})
      return ok()
    },
    { adapter },
  )
  await call()
  expect(await works[0]).toBe(undefined)
  expect(list.size).toBe(0)
  list.add(() => {})
  expect(works.length).toBe(2)
  await works[1]
})
