import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, test } from 'vitest'
import { isTurnOver } from '../src/fairness.ts'
import { type BackgroundTasks, defineTask } from '../src/index.ts'
import { deferred, endsOf, ok, turn, wrapped } from './_wrapped.ts'

describe('order', () => {
  test('tasks run one after the other, in order of adding, each awaited', async () => {
    const log: string[] = []
    const { call, handler } = wrapped((tasks) => {
      for (const name of ['a', 'b', 'c']) {
        tasks.add(async () => {
          log.push(`${name} starts`)
          await turn()
          log.push(`${name} ends`)
        })
      }
      return ok()
    })
    await call()
    await handler.drain()
    expect(log).toEqual(['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends'])
  })

  test('is kept also after a task that never started, and so held no slot', async () => {
    const log: string[] = []
    const refused = defineTask({ name: 'refused', runOn: () => false, run: () => {} })
    const { call, handler } = wrapped((tasks) => {
      tasks.add(refused)
      for (const name of ['a', 'b']) {
        tasks.add(async () => {
          log.push(`${name} starts`)
          await turn()
          log.push(`${name} ends`)
        })
      }
      return ok()
    })
    await call()
    await handler.drain()
    expect(log).toEqual(['a starts', 'a ends', 'b starts', 'b ends'])
  })

  test('requests never wait for each other', async () => {
    const gate = deferred()
    let calls = 0
    const { call, handler, log } = wrapped((tasks) => {
      if (calls++ === 0)
        tasks.add(function slow() {
          return gate.promise
        })
      else
        tasks.add(function quick() {
          gate.resolve()
        })
      return ok()
    })
    await call()
    await call()
    await handler.drain()
    expect(log()).toContain('succeeded quick')
    expect(log().at(-1)).toBe('succeeded slow')
  })
})

describe('concurrency', () => {
  test('runs as many tasks at once as it says, and starts them in order', async () => {
    const three = deferred()
    let running = 0
    let most = 0
    const started: number[] = []
    const { call, handler } = wrapped(
      (tasks) => {
        for (let i = 0; i < 10; i++) {
          tasks.add(async () => {
            started.push(i)
            most = Math.max(most, ++running)
            if (running === 3) three.resolve()
            await three.promise
            await turn()
            running--
          })
        }
        return ok()
      },
      { concurrency: 3 },
    )
    await call()
    expect((await handler.drain()).succeeded).toBe(10)
    expect(most).toBe(3)
    expect(started).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('Infinity starts all of them', async () => {
    const gate = deferred()
    let running = 0
    const { call, handler } = wrapped(
      (tasks) => {
        for (let i = 0; i < 50; i++) {
          tasks.add(() => {
            if (++running === 50) gate.resolve()
            return gate.promise
          })
        }
        return ok()
      },
      { concurrency: Infinity },
    )
    await call()
    expect((await handler.drain()).succeeded).toBe(50)
  })
})

describe('stopOnError', () => {
  test('the first failure discards the rest, and what is added before the list is empty; a fresh run starts clean', async () => {
    let list!: BackgroundTasks
    const { call, handler, log, events } = wrapped(
      (tasks) => {
        list = tasks
        tasks.add(function first() {})
        tasks.add(function fails() {
          tasks.add(function added() {})
          throw new Error('no')
        })
        tasks.add(function rest() {})
        return ok()
      },
      { stopOnError: true },
    )
    await call()
    await handler.drain()
    expect(endsOf(events).map(({ type, task }) => `${type} ${task.name}`)).toEqual([
      'succeeded first',
      'failed fails',
      'discarded rest',
      'discarded added',
    ])
    list.add(function fresh() {})
    await handler.drain()
    expect(log().at(-1)).toBe('succeeded fresh')
  })

  test('what runs beside the failed task runs on to its end', async () => {
    const besideStarted = deferred()
    const { call, handler, events } = wrapped(
      (tasks) => {
        tasks.add(async function fails() {
          await besideStarted.promise
          throw new Error('no')
        })
        tasks.add(async function beside() {
          besideStarted.resolve()
          await turn()
        })
        tasks.add(function rest() {})
        return ok()
      },
      { stopOnError: true, concurrency: 2 },
    )
    await call()
    await handler.drain()
    const ends = endsOf(events).map(({ type, task }) => `${type} ${task.name}`)
    expect(ends.sort()).toEqual(['discarded rest', 'failed fails', 'succeeded beside'])
  })

  test('other requests are not touched', async () => {
    let calls = 0
    const { call, handler, events } = wrapped(
      (tasks) => {
        const fails = calls++ === 0
        tasks.add(() => {
          if (fails) throw new Error('no')
        })
        tasks.add(() => {})
        return ok()
      },
      { stopOnError: true },
    )
    await call()
    await call()
    await handler.drain()
    expect(
      endsOf(events)
        .map(({ type }) => type)
        .sort(),
    ).toEqual(['discarded', 'failed', 'succeeded', 'succeeded'])
  })
})

describe('maxPending', () => {
  test('counts no task that has failed: onError of the only one may add another to make up for it', async () => {
    let list!: BackgroundTasks
    const { call, handler, log } = wrapped(
      (tasks) => {
        list = tasks
        tasks.add(function fails() {
          throw new Error('no')
        })
        return ok()
      },
      { maxPending: 1, onError: () => list.add(function makesUp() {}) },
    )
    await call()
    await handler.drain()
    expect(log().at(-1)).toBe('succeeded makesUp')
  })
})

describe('fairness', () => {
  /** How many tasks had run each time a callback got its turn, while a list of so many was running. */
  async function turnsDuring(
    count: number,
    task: () => void,
    next: (callback: () => void) => unknown,
  ): Promise<number> {
    let ran = 0
    const { call, handler } = wrapped((tasks) => {
      for (let i = 0; i < count; i++) {
        tasks.add(() => {
          task()
          ran++
        })
      }
      return ok()
    })
    await call()
    const seen = new Set<number>()
    while (ran < count) {
      seen.add(ran)
      await new Promise<void>((resolve) => next(resolve))
    }
    await handler.drain()
    return seen.size
  }

  const quick = (): void => {}
  const slow = (): void => {
    const end = performance.now() + 2
    while (performance.now() < end);
  }

  test('a list of quick tasks lets setImmediate have its turn every 64 of them', async () => {
    expect(await turnsDuring(300, quick, setImmediate)).toBeGreaterThanOrEqual(4)
  })

  test('a list of tasks of 2 ms lets setImmediate have its turn after each', async () => {
    expect(await turnsDuring(20, slow, setImmediate)).toBeGreaterThanOrEqual(19)
  })

  test('and twice, as a connection is accepted in one turn and its request read in the next', async () => {
    let turns = 0
    let isOver = false
    const turn = (): void => {
      turns++
      if (!isOver) setImmediate(turn)
    }
    const { call, handler } = wrapped((tasks) => {
      for (let i = 0; i < 20; i++) tasks.add(slow)
      return ok()
    })
    await call()
    setImmediate(turn)
    await handler.drain()
    isOver = true
    expect(turns).toBeGreaterThanOrEqual(38)
  })

  test('and a timer as well', async () => {
    expect(await turnsDuring(20, slow, (callback) => setTimeout(callback, 0))).toBeGreaterThanOrEqual(4)
  })
})

test('a task that an observer adds while it is told of another has its own async context, and the other one too', async () => {
  const storage = new AsyncLocalStorage<string>()
  const seen: string[] = []
  let list: BackgroundTasks | undefined
  const { call, handler } = wrapped(
    (tasks) => {
      list = tasks
      storage.run('handler', () =>
        tasks.add(function work() {
          seen.push(`work in ${storage.getStore()}`)
        }),
      )
      return ok()
    },
    {
      observer({ type, task }) {
        if (type !== 'added' || task.name !== 'work') return
        storage.run('observer', () =>
          list?.add(function audit() {
            seen.push(`audit in ${storage.getStore()}`)
          }),
        )
      },
    },
  )
  await call()
  await handler.drain()
  expect(seen).toEqual(['work in handler', 'audit in observer'])
})

test('an attempt runs in the async context of the add, whatever the one before it has entered', async () => {
  const storage = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const { call, handler } = wrapped(
    (tasks) => {
      storage.run('add', () =>
        tasks.add(async () => {
          seen.push(storage.getStore())
          storage.enterWith('attempt')
          throw new Error('no')
        }),
      )
      return ok()
    },
    { retry: { attempts: 3, delayMs: 0 } },
  )
  await call()
  await handler.drain()
  expect(seen).toEqual(['add', 'add', 'add'])
})

test('a clock that is set back ends the turn, so that no list holds the event loop until it has caught up', () => {
  const turn = { tasksThisTurn: 0, turnStart: 0, size: 3 }
  const { now } = Date
  try {
    const isOverAt = (ms: number): boolean => {
      Date.now = () => ms
      return isTurnOver(turn)
    }
    expect([isOverAt(3_600_000), isOverAt(3_600_000), isOverAt(0)]).toEqual([false, false, true])
  } finally {
    Date.now = now
  }
})

test('what is left of a very long list that was cleared gives the event loop back, seldom', () => {
  const turn = { tasksThisTurn: 0, turnStart: 0, size: 0 }
  const gaveWay = Array.from({ length: 100_000 }, () => isTurnOver(turn)).filter(Boolean).length
  expect(gaveWay).toBeGreaterThan(5)
  expect(gaveWay).toBeLessThan(50)
})
