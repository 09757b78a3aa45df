import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, test } from 'vitest'
import {
  type Adapter,
  type BackgroundTasks,
  createBackgroundTasks,
  defineTask,
  withBackgroundTasks,
} from '../src/index.ts'
import { deferred, ok, turn, wrapped } from './_wrapped.ts'

/** A resource that says when it is disposed of. */
function resource(log: unknown[], name: string): Disposable {
  return { [Symbol.dispose]: () => void log.push(`disposed ${name}`) }
}

/** The same, which takes its time. */
function slowResource(log: unknown[], name: string): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      log.push(`disposing ${name}`)
      await turn()
      await turn()
      log.push(`disposed ${name}`)
    },
  }
}

describe('use', () => {
  test('gives back what it is given, of whatever kind', async () => {
    const callable = Object.assign(() => {}, { [Symbol.dispose]: () => {} })
    const inherited = new (class {
      [Symbol.dispose](): void {}
    })()
    const { call, handler } = wrapped((tasks) => {
      for (const each of [callable, inherited, resource([], 'one'), slowResource([], 'two')]) {
        expect(tasks.use(each)).toBe(each)
      }
      expect(tasks.size, 'no task').toBe(0)
      expect(tasks.pending).toEqual([])
      return ok()
    })
    await call()
    expect(await handler.drain()).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
  })

  test.each<[string, unknown]>([
    ['[object Object]', {}],
    ['null', null],
    ['undefined', undefined],
    ['"text"', 'text'],
    ['function close', function close() {}],
    ['[object Promise]', Promise.resolve()],
    ['[object Object]', { [Symbol.dispose]: true, dispose: () => {} }],
  ])('refuses what cannot be disposed of: %s', async (shown, value) => {
    const { call, handler } = wrapped((tasks) => {
      expect(() => tasks.use(value as never)).toThrow(
        new TypeError(
          `Cannot use the resource as it must have Symbol.dispose or Symbol.asyncDispose: current value is ${shown}`,
        ),
      )
      return ok()
    })
    await call()
    await handler.drain()
    expect.assertions(1)
  })

  test('disposes of the last one first, one after the other, after the last task', async () => {
    const log: unknown[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.use(resource(log, 'first'))
      tasks.add(() => log.push('task'))
      tasks.use(slowResource(log, 'second'))
      tasks.add(async () => {
        await turn()
        log.push('last task')
      })
      tasks.use(resource(log, 'third'))
      return ok()
    })
    await call()
    await handler.drain()
    expect(log).toEqual([
      'task',
      'last task',
      'disposed third',
      'disposing second',
      'disposed second',
      'disposed first',
    ])
  })

  test('calls the disposer on the resource, the asynchronous one where there are both', async () => {
    const calls: unknown[] = []
    const both = {
      [Symbol.dispose]: () => calls.push('sync'),
      async [Symbol.asyncDispose](this: unknown) {
        calls.push(this)
      },
    }
    const { call, handler } = wrapped((tasks) => {
      tasks.use(both)
      return ok()
    })
    await call()
    await handler.drain()
    expect(calls.length).toBe(1)
    expect(calls[0]).toBe(both)
  })

  test('disposes of each time it was used of one and the same', async () => {
    const log: unknown[] = []
    const { call, handler } = wrapped((tasks) => {
      const once = resource(log, 'it')
      tasks.use(once)
      tasks.use(once)
      return ok()
    })
    await call()
    await handler.drain()
    expect(log).toEqual(['disposed it', 'disposed it'])
  })
})

describe('resources are disposed of', () => {
  const none = { succeeded: 0, failed: 0, discarded: 0, abandoned: [] }

  test('without any task, after the response has left and not before', async () => {
    const log: unknown[] = []
    const left = deferred()
    const adapter: Adapter = {
      name: 'test',
      afterResponse: (start) => void left.promise.then(() => setImmediate(start, 'flushed')),
    }
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.use(resource(log, 'it'))
        return ok()
      },
      { adapter },
    )
    await call()
    await turn()
    await turn()
    expect(log).toEqual([])
    left.resolve()
    expect(await handler.drain()).toEqual(none)
    expect(log).toEqual(['disposed it'])
  })

  test('without any task in the async context of their use, whatever context the host tells in', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const starts: (() => void)[] = []
    const adapter: Adapter = {
      name: 'test',
      afterResponse: (start) => void starts.push(() => start('flushed')),
    }
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.use({ [Symbol.dispose]: () => void seen.push(storage.getStore()) })
        return ok()
      },
      { adapter },
    )
    for (const name of ['first', 'second']) await storage.run(name, call)
    setImmediate(() => {
      for (const start of starts) storage.run('host', start)
    })
    await handler.drain()
    expect(seen).toEqual(['first', 'second'])
  })

  test('never in the turn in which the handler returned, nor while it runs', async () => {
    const log: unknown[] = []
    const { call, handler } = wrapped(async (tasks) => {
      tasks.use(resource(log, 'it'))
      tasks.add(() => log.push('task'))
      tasks.clear()
      await turn()
      await turn()
      expect(log).toEqual([])
      return ok()
    })
    await call()
    for (let i = 0; i < 20; i++) await undefined
    expect(log).toEqual([])
    await handler.drain()
    expect(log).toEqual(['disposed it'])
  })

  test('when the handler threw, and its tasks were discarded', async () => {
    const log: unknown[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.use(resource(log, 'it'))
      tasks.add(() => log.push('task'))
      throw new Error('no')
    })
    expect(call).toThrow('no')
    await handler.drain()
    expect(log).toEqual(['disposed it'])
  })

  test('when the handler threw and there was no task', async () => {
    const log: unknown[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.use(resource(log, 'it'))
      throw new Error('no')
    })
    expect(call).toThrow('no')
    expect(await handler.drain()).toEqual(none)
    expect(log).toEqual(['disposed it'])
  })

  test('when runOn said no, as a name and as a function', async () => {
    const log: unknown[] = []
    for (const runOn of ['success', () => false] as const) {
      const { call, handler } = wrapped(
        (tasks) => {
          tasks.use(resource(log, 'it'))
          tasks.add(() => log.push('task'))
          return new Response(null, { status: 404 })
        },
        { runOn },
      )
      await call()
      await handler.drain()
    }
    expect(log).toEqual(['disposed it', 'disposed it'])
  })

  test('when all tasks failed, and when the rest was discarded by stopOnError', async () => {
    const log: unknown[] = []
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.use(resource(log, 'it'))
        tasks.add(() => Promise.reject(new Error('no')))
        tasks.add(() => log.push('task'))
        return ok()
      },
      { stopOnError: true },
    )
    await call()
    expect(await handler.drain()).toMatchObject({ failed: 1, discarded: 1 })
    expect(log).toEqual(['disposed it'])
  })

  test('when the list was cleared', async () => {
    const log: unknown[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.use(resource(log, 'it'))
      tasks.add(() => log.push('task'))
      tasks.clear()
      return ok()
    })
    await call()
    await handler.drain()
    expect(log).toEqual(['disposed it'])
  })

  test('after the last attempt of a task, not between its attempts', async () => {
    const log: unknown[] = []
    const task = defineTask({
      name: 'task',
      retry: { attempts: 3, delayMs: 5 },
      run(_input, { attempt }) {
        log.push(attempt)
        throw new Error('no')
      },
    })
    const { call, handler } = wrapped((tasks) => {
      tasks.use(resource(log, 'it'))
      tasks.add(task)
      return ok()
    })
    await call()
    await handler.drain()
    expect(log).toEqual([1, 2, 3, 'disposed it'])
  })

  test('after the tasks that tasks add, and after what is added by whoever awaited the last one', async () => {
    const log: unknown[] = []
    const last = deferred()
    const { call, handler } = wrapped((tasks) => {
      tasks.use(resource(log, 'it'))
      tasks.add(() =>
        tasks.add(async () => {
          await turn()
          log.push('added')
          last.resolve()
        }),
      )
      last.promise.then(async () => {
        for (let i = 0; i < 10; i++) await undefined
        tasks.add(async () => {
          await turn()
          log.push('added after the last')
        })
      })
      return ok()
    })
    await call()
    expect((await handler.drain()).succeeded).toBe(3)
    expect(log).toEqual(['added', 'added after the last', 'disposed it'])
  })

  test('that were used in a task, with the others', async () => {
    const log: unknown[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.use(resource(log, 'first'))
      tasks.add(() => void tasks.use(resource(log, 'second')))
      tasks.add(() => log.push('last task'))
      return ok()
    })
    await call()
    await handler.drain()
    expect(log).toEqual(['last task', 'disposed second', 'disposed first'])
  })

  test('that are used after the list is over, with or without a task', async () => {
    const log: unknown[] = []
    let list!: BackgroundTasks
    const { call, handler } = wrapped((tasks) => {
      list = tasks
      tasks.use(resource(log, 'first'))
      return ok()
    })
    await call()
    await handler.drain()
    list.use(resource(log, 'late'))
    await handler.drain()
    list.use(resource(log, 'later'))
    list.add(() => log.push('task'))
    await handler.drain()
    expect(log).toEqual(['disposed first', 'disposed late', 'task', 'disposed later'])
  })

  test('that are used late, after a handler that threw', async () => {
    const log: unknown[] = []
    let list!: BackgroundTasks
    const { call, handler } = wrapped((tasks) => {
      list = tasks
      throw new Error('no')
    })
    expect(call).toThrow('no')
    list.use(resource(log, 'late'))
    list.add(() => log.push('task'))
    expect(await handler.drain()).toMatchObject({ discarded: 1 })
    expect(log).toEqual(['disposed late'])
  })

  test('that are used while others are disposed of, once, and a task added then is run before', async () => {
    const log: unknown[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.use({
        async [Symbol.asyncDispose]() {
          await turn()
          tasks.use(resource(log, 'second'))
          tasks.add(async () => {
            for (let i = 0; i < 5; i++) await turn()
            log.push('task')
          })
          log.push('disposed first')
        },
      })
      return ok()
    })
    await call()
    expect((await handler.drain()).succeeded).toBe(1)
    expect(log).toEqual(['disposed first', 'task', 'disposed second'])
  })

  test('of several requests, each after its own tasks', async () => {
    const log: unknown[] = []
    const gate = deferred()
    const background = createBackgroundTasks()
    const slow = background.open()
    slow.tasks.use(resource(log, 'slow'))
    slow.tasks.add(() => gate.promise)
    slow.settle(ok())
    const quick = background.open()
    quick.tasks.use(resource(log, 'quick'))
    quick.settle(ok())
    while (log.length === 0) await turn()
    expect(log).toEqual(['disposed quick'])
    gate.resolve()
    await background.drain()
    expect(log).toEqual(['disposed quick', 'disposed slow'])
  })
})

test('a list with resources is over for stopOnError once it is empty: what is added then runs', async () => {
  const last = deferred()
  const { call, handler, log } = wrapped(
    (tasks) => {
      tasks.use(resource([], 'it'))
      tasks.add(function fails() {
        last.resolve()
        return Promise.reject(new Error('no'))
      })
      last.promise.then(async () => {
        while (tasks.size > 0) await undefined
        tasks.add(function late() {})
      })
      return ok()
    },
    { stopOnError: true },
  )
  await call()
  await handler.drain()
  expect(log().slice(2)).toEqual(['failed fails', 'added late', 'started late', 'succeeded late'])
})

describe('a disposer that fails', () => {
  test('is reported once, by the kind of the resource, and the others are still disposed of', async () => {
    const log: unknown[] = []
    const failures: unknown[] = []
    class Connection {
      async [Symbol.asyncDispose](): Promise<void> {
        throw new Error('rejects')
      }
    }
    const { call, handler, events } = wrapped(
      (tasks) => {
        tasks.use(resource(log, 'first'))
        tasks.use(new Connection())
        tasks.use({
          [Symbol.dispose]() {
            throw new Error('throws')
          },
        })
        tasks.use(Object.assign(Object.create(null), { [Symbol.dispose]: () => Promise.reject(undefined) }))
        tasks.use(resource(log, 'last'))
        return ok()
      },
      { onError: (error, { id, name, attempt }) => failures.push([error, name, attempt, typeof id]) },
    )
    await call()
    expect(await handler.drain(), 'no task').toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
    expect(log).toEqual(['disposed last', 'disposed first'])
    expect(failures).toEqual([
      [undefined, 'dispose resource', 1, 'string'],
      [new Error('throws'), 'dispose Object', 1, 'string'],
      [new Error('rejects'), 'dispose Connection', 1, 'string'],
    ])
    expect(events).toEqual([])
  })

  test('is reported with what fails in a task, and stops nothing', async () => {
    const failures: unknown[] = []
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.use({ [Symbol.dispose]: () => Promise.reject(new Error('disposer')) } as Disposable)
        tasks.add(() => Promise.reject(new Error('task')))
        return ok()
      },
      { onError: (error) => failures.push(error), stopOnError: true },
    )
    await call()
    expect(await handler.drain()).toMatchObject({ failed: 1 })
    expect(failures).toEqual([new Error('task'), new Error('disposer')])
    await call()
    expect(await handler.drain(), 'the next request is not touched').toMatchObject({ failed: 1 })
  })
})

describe('drain', () => {
  test('waits for the disposal, also where no task is left', async () => {
    const gate = deferred()
    let isOver = false
    const { call, handler } = wrapped((tasks) => {
      tasks.use({ [Symbol.asyncDispose]: () => gate.promise })
      return ok()
    })
    await call()
    const draining = handler.drain().then(() => {
      isOver = true
    })
    for (let i = 0; i < 5; i++) await turn()
    expect(isOver).toBe(false)
    gate.resolve()
    await draining
  })

  test('at its deadline aborts the tasks, then disposes, once', async () => {
    const log: unknown[] = []
    const started = deferred()
    const gate = deferred()
    const task = defineTask({
      name: 'hangs',
      run(_input, { signal }) {
        signal.addEventListener('abort', () => log.push('aborted'))
        started.resolve()
        return gate.promise
      },
    })
    const { call, handler } = wrapped((tasks) => {
      tasks.use(resource(log, 'first'))
      tasks.use(slowResource(log, 'second'))
      tasks.add(task)
      return ok()
    })
    await call()
    await started.promise
    expect(await handler.drain({ timeoutMs: 10 })).toMatchObject({ abandoned: [{ name: 'hangs' }] })
    gate.resolve()
    await handler.drain()
    while (log.length < 4) await turn()
    await turn()
    expect(log).toEqual(['aborted', 'disposing second', 'disposed second', 'disposed first'])
  })

  test('at its deadline disposes of what a handler that never settles has used', async () => {
    const log: unknown[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.use(resource(log, 'it'))
      return new Promise(() => {})
    })
    call()
    expect(await handler.drain({ timeoutMs: 5 })).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
    expect(log).toEqual(['disposed it'])
  })

  test('at its deadline gives up a disposer that hangs, and welcomes new tasks and resources', async () => {
    const log: unknown[] = []
    const disposing = deferred()
    const gate = deferred()
    let list!: BackgroundTasks
    const { call, handler } = wrapped((tasks) => {
      list = tasks
      tasks.use({
        [Symbol.asyncDispose]() {
          log.push('disposing')
          disposing.resolve()
          return gate.promise
        },
      })
      return ok()
    })
    await call()
    await disposing.promise
    await handler.drain({ timeoutMs: 5 })
    expect(await handler.drain(), 'the next one sees nothing of it').toMatchObject({ abandoned: [] })
    list.use(resource(log, 'new'))
    list.add(() => log.push('task'))
    expect((await handler.drain()).succeeded).toBe(1)
    gate.resolve()
    await turn()
    expect(log, 'once').toEqual(['disposing', 'task', 'disposed new'])
  })

  test('at its deadline reports a disposer that fails then', async () => {
    const failure = deferred<unknown>()
    const started = deferred()
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.use({ [Symbol.asyncDispose]: () => Promise.reject(new Error('no')) })
        tasks.add(() => {
          started.resolve()
          return new Promise(() => {})
        })
        return ok()
      },
      { onError: (error) => failure.resolve(error) },
    )
    await call()
    await started.promise
    await handler.drain({ timeoutMs: 5 })
    expect(await failure.promise).toEqual(new Error('no'))
  })
})

describe('an adapter', () => {
  test('keeps the host alive from the first use until all is disposed of, in one piece of work', async () => {
    const log: unknown[] = []
    const gate = deferred()
    const works: Promise<void>[] = []
    const adapter: Adapter = {
      name: 'test',
      keepAlive(work) {
        works.push(work)
        work.then(() => log.push('work settled'))
      },
      afterResponse: (start) => void setImmediate(start, 'flushed'),
    }
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.use({
          async [Symbol.asyncDispose]() {
            await gate.promise
            log.push('disposed')
          },
        })
        expect(works.length, 'synchronously').toBe(1)
        tasks.add(() => log.push('task'))
        return ok()
      },
      { adapter },
    )
    await call()
    while (log.length === 0) await turn()
    for (let i = 0; i < 5; i++) await turn()
    expect(log).toEqual(['task'])
    gate.resolve()
    await Promise.all([works[0], handler.drain()])
    expect(log).toEqual(['task', 'disposed', 'work settled'])
    expect(works.length).toBe(1)
  })

  test('that refuses to keep the host alive makes use throw, and nothing is disposed of for it', async () => {
    const log: unknown[] = []
    const adapter: Adapter = {
      name: 'test',
      keepAlive() {
        throw new Error('too late')
      },
      afterResponse: (start) => void setImmediate(start, 'flushed'),
    }
    const { call, handler } = wrapped(
      (tasks) => {
        expect(() => tasks.use(resource(log, 'it'))).toThrow('too late')
        return ok()
      },
      { adapter },
    )
    await call()
    await handler.drain()
    await turn()
    expect(log, 'it is still its owner who disposes of it').toEqual([])
  })
})

test('a nested wrapper and the one around it use one list of resources', async () => {
  const log: unknown[] = []
  const inner = withBackgroundTasks((_request: Request, tasks: BackgroundTasks) => {
    tasks.use(resource(log, 'inner'))
    tasks.add(() => log.push('inner task'))
    return ok()
  })
  const outer = withBackgroundTasks((request: Request, tasks: BackgroundTasks) => {
    tasks.use(resource(log, 'outer'))
    const response = inner(request)
    tasks.add(() => log.push('outer task'))
    return response
  })
  await outer(new Request('http://localhost/'))
  await outer.drain()
  expect(log).toEqual(['inner task', 'outer task', 'disposed inner', 'disposed outer'])
})

test('a resource that cannot even be looked at any more keeps no other from being disposed of', async () => {
  const log: string[] = []
  const failures: string[] = []
  const { call, handler } = wrapped(
    (tasks) => {
      tasks.use(resource(log, 'other'))
      const { proxy, revoke } = Proxy.revocable(resource(log, 'revoked'), {})
      tasks.use(proxy)
      tasks.add(revoke)
      return ok()
    },
    { onError: (_error, { name }) => void failures.push(name) },
  )
  await call()
  expect(await handler.drain({ timeoutMs: 1_000 })).toMatchObject({ succeeded: 1, abandoned: [] })
  expect(log).toEqual(['disposed other'])
  expect(failures).toEqual(['dispose resource'])
})
