import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, test } from 'vitest'
import { BackgroundTasks, TooManyTasksError } from '../src/index.ts'
import { deferred, ok, turn, wrapped } from './_wrapped.ts'

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

  test('calls a function with as many arguments as it was given', async () => {
    const counts: number[] = []
    const task = (...args: unknown[]): void => void counts.push(args.length)
    const { call, handler } = wrapped((tasks) => {
      for (const args of [[], [1], [1, 2], [1, 2, 3]]) tasks.add(task, ...args)
      return ok()
    })
    await call()
    await handler.drain()
    expect(counts).toEqual([0, 1, 2, 3])
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

  test('after a rule of runOn said no is discarded too, without asking it again', async () => {
    let list!: BackgroundTasks
    let asked = 0
    const { call, handler, log } = wrapped(
      (tasks) => {
        list = tasks
        tasks.add(function first() {})
        return ok()
      },
      { runOn: () => asked++ > 0 },
    )
    await call()
    await handler.drain()
    list.add(function late() {})
    await handler.drain()
    expect(log()).toEqual(['added first', 'discarded first', 'added late', 'discarded late'])
    expect(asked).toBe(1)
  })

  test('after a handler that added none is judged by its response, which is told how it ended', async () => {
    let list!: BackgroundTasks
    const outcomes: unknown[] = []
    const { call, handler, log } = wrapped(
      (tasks) => {
        list = tasks
        return new Response(null, { status: 404 })
      },
      {
        runOn: (outcome) => {
          outcomes.push({ ...outcome })
          return outcome.status === 404
        },
      },
    )
    await call()
    list.add(function late() {})
    await handler.drain()
    expect(outcomes).toEqual([{ status: 404, threw: false, error: undefined, delivery: 'returned' }])
    expect(log().at(-1)).toBe('succeeded late')
  })

  test('from inside a body producer, the first of that request, runs too', async () => {
    const { call, handler, log } = wrapped((tasks) => {
      const pull = (controller: ReadableStreamDefaultController): void => {
        tasks.add(function produced() {})
        controller.enqueue(new Uint8Array(1))
        controller.close()
      }
      return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }))
    })
    const response = await call()
    expect(log()).toEqual([])
    expect((await response.arrayBuffer()).byteLength).toBe(1)
    expect((await handler.drain()).succeeded).toBe(1)
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

  test('keeps the async context of each task also in a list that gives the event loop back in between', async () => {
    const storage = new AsyncLocalStorage<number>()
    const seen: unknown[] = []
    const { call, handler } = wrapped((tasks) => {
      for (let i = 0; i < 200; i++) storage.run(i, () => tasks.add(() => seen.push(storage.getStore())))
      return ok()
    })
    await call()
    await handler.drain()
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => i))
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
    const called: string[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.add(function first(...args: string[]) {
        called.push(...args)
      }, 'ada')
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
    expect(called).toEqual(['ada'])
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

test('the host is held for one more turn, in which whoever awaited the last task may add another', async () => {
  const log: string[] = []
  const last = deferred()
  const adapter = {
    name: 'holding',
    keepAlive: (work: Promise<void>) => {
      log.push('held')
      work.then(() => log.push('let go'))
    },
    afterResponse: (start: (delivery: 'returned') => void) => void setImmediate(() => start('returned')),
  }
  const { call, handler } = wrapped(
    (tasks) => {
      const awaiting = async (): Promise<void> => {
        await last.promise
        for (let i = 0; i < 10; i++) await undefined
        tasks.add(() => {})
      }
      tasks.add(last.resolve)
      awaiting()
      return ok()
    },
    { adapter },
  )
  await call()
  expect((await handler.drain()).succeeded).toBe(2)
  expect(log.slice(0, 3)).toEqual(['held', 'held', 'let go'])
})
