import { createHook } from 'node:async_hooks'
import { describe, expect, test } from 'vitest'
import { type BackgroundTasks, withBackgroundTasks } from '../src/index.ts'
import { takePrinted } from './_printed.ts'
import { deferred, ok, turn, wrapped } from './_wrapped.ts'

describe('a handler without tasks', () => {
  test('is answered synchronously with the very same Response, and nothing is asked of the host', () => {
    const response = ok()
    const adapter = {
      name: 'strict',
      keepAlive: () => expect.fail('keepAlive was called'),
      afterResponse: () => expect.fail('afterResponse was called'),
    }
    const { call } = wrapped(() => response, { adapter })
    expect(call()).toBe(response)
  })

  test('costs no promise and no timer', () => {
    const made: string[] = []
    const hook = createHook({ init: (_id, type) => void made.push(type) })
    const response = ok()
    const request = new Request('http://localhost/')
    const handler = withBackgroundTasks(() => response)
    hook.enable()
    const answer = handler(request)
    hook.disable()
    expect(answer).toBe(response)
    expect(made).toEqual([])
  })

  test('may return a promise, and the very same Response comes out of it', async () => {
    const response = ok()
    const { call } = wrapped(async () => response)
    expect(await call()).toBe(response)
  })

  test('may return what is not a Response, and that comes back untouched', async () => {
    const { call } = wrapped(() => undefined)
    expect(call()).toBe(undefined)
    const value = { status: 'none' }
    expect(wrapped(() => value).call()).toBe(value)
  })
})

describe('a handler with tasks', () => {
  test('returns before its first task starts, also when the task is synchronous', async () => {
    const log: string[] = []
    const { call, handler } = wrapped((tasks) => {
      tasks.add(() => log.push('task'))
      return ok()
    })
    const response = await call()
    await Promise.resolve()
    log.push('returned')
    expect(await response.text()).toBe('ok')
    await handler.drain()
    expect(log).toEqual(['returned', 'task'])
  })

  test('does not start a task while it still runs, however long that takes', async () => {
    const gate = deferred<Response>()
    const { call, handler, log } = wrapped((tasks) => {
      tasks.add(function task() {})
      return gate.promise
    })
    const answer = call()
    await turn()
    await turn()
    expect(log()).toEqual(['added task'])
    gate.resolve(ok())
    await answer
    await handler.drain()
    expect(log()).toEqual(['added task', 'started task', 'succeeded task'])
  })

  test('that returns no Response counts as one that returned, without a status', async () => {
    const value = { status: 500 }
    const outcomes: unknown[] = []
    const { call, handler, log } = wrapped(
      (tasks) => {
        tasks.add(function task() {})
        return value
      },
      {
        runOn: (outcome) => {
          outcomes.push(outcome)
          return true
        },
      },
    )
    expect(call()).toBe(value)
    await handler.drain()
    expect(outcomes).toEqual([{ threw: false, status: undefined, error: undefined, delivery: 'returned' }])
    expect(log().at(-1)).toBe('succeeded task')
  })

  test('whose request was aborted runs its tasks all the same', async () => {
    const client = new AbortController()
    const { handler, log } = wrapped((tasks) => {
      tasks.add(async function task() {
        await turn()
      })
      client.abort()
      return ok()
    })
    await handler(new Request('http://localhost/', { signal: client.signal }))
    await handler.drain()
    expect(log().at(-1)).toBe('succeeded task')
  })

  test('gets what the host passes after the request, by reference', () => {
    const env = { NAME: 'env' }
    const context = { waitUntil() {} }
    const handler = withBackgroundTasks((_request: Request, _tasks: BackgroundTasks, ...platform: unknown[]) => {
      expect(platform[0]).toBe(env)
      expect(platform[1]).toBe(context)
      expect(platform.length).toBe(2)
      return ok()
    })
    handler(new Request('http://localhost/'), env, context)
    expect.assertions(3)
  })

  test('that throws synchronously throws the same error object, and its tasks are discarded and reported', () => {
    const error = new Error('no')
    const { call, events } = wrapped((tasks) => {
      tasks.add(function task() {})
      throw error
    })
    expect(() => call()).toThrow(error)
    expect(events.map(({ type, reason }) => [type, reason])).toEqual([
      ['added', undefined],
      ['discarded', 'the handler threw'],
    ])
  })

  test('that rejects, with whatever it is, rejects the same, and its tasks are discarded', async () => {
    const { call, log } = wrapped(async (tasks) => {
      tasks.add(function task() {})
      throw undefined
    })
    await expect(call()).rejects.toBe(undefined)
    expect(log()).toEqual(['added task', 'discarded task'])
  })

  test('that never settles keeps its tasks waiting, until a drain abandons them', async () => {
    const { call, handler, log } = wrapped((tasks) => {
      tasks.add(function task() {})
      return new Promise(() => {})
    })
    call()
    const report = await handler.drain({ timeoutMs: 20 })
    expect(report.abandoned.map(({ name }) => name)).toEqual(['task'])
    expect(log()).toEqual(['added task', 'abandoned task'])
  })
})

test('a Request that cannot be extended gets its response and its tasks too', async () => {
  const { handler, log } = wrapped((tasks) => {
    tasks.add(function task() {})
    return ok()
  })
  const response = await handler(Object.freeze(new Request('http://localhost/')))
  expect(await response.text()).toBe('ok')
  await handler.drain()
  expect(log().at(-1)).toBe('succeeded task')
})

test('nothing of the list shows on the Request', () => {
  const request = new Request('http://localhost/')
  wrapped(() => ok()).handler(request)
  expect(Object.keys(request)).toEqual([])
  expect(JSON.stringify(request)).toBe('{}')
})

describe('nested wrappers', () => {
  test('share one list, with the options of the outermost, which is scheduled once', async () => {
    const log: string[] = []
    const lists: BackgroundTasks[] = []
    const inner = withBackgroundTasks(
      (_request, tasks) => {
        lists.push(tasks)
        tasks.add(() => log.push('inner'))
        return ok()
      },
      { runOn: () => false, onError: () => log.push('inner onError') },
    )
    const outer = withBackgroundTasks(
      (request, tasks) => {
        lists.push(tasks)
        tasks.add(() => log.push('outer first'))
        const response = inner(request)
        tasks.add(() => {
          throw new Error('no')
        })
        return response
      },
      { onError: () => log.push('outer onError') },
    )
    const request = new Request('http://localhost/')
    await outer(request)
    await outer.drain()
    expect(log).toEqual(['outer first', 'inner', 'outer onError'])
    expect(lists[0]).toBe(lists[1])
  })

  test('forget the list of a Request once it has settled', async () => {
    const lists: BackgroundTasks[] = []
    const { handler } = wrapped((tasks) => {
      lists.push(tasks)
      tasks.add(() => {})
      return ok()
    })
    const request = new Request('http://localhost/')
    await handler(request)
    await handler(request)
    expect(lists[1], 'its tasks have not run yet').toBe(lists[0])
    expect((await handler.drain()).succeeded).toBe(2)
    await handler(request)
    expect(lists[2]).not.toBe(lists[0])
    expect((await handler.drain()).succeeded).toBe(1)
  })

  test('keep the list of a Request until its response has left, also when all its tasks were discarded', async () => {
    let start!: (delivery: 'returned') => void
    const adapter = { name: 'slow', afterResponse: (left: typeof start) => void (start = left) }
    const lists: BackgroundTasks[] = []
    const { handler } = wrapped(
      (tasks) => {
        lists.push(tasks)
        tasks.add(() => {})
        return ok()
      },
      { adapter },
    )
    const request = new Request('http://localhost/')
    await handler(request)
    lists[0]?.clear()
    await handler(request)
    expect(lists[1]).toBe(lists[0])
    start('returned')
    expect((await handler.drain()).succeeded).toBe(1)
  })

  test('that are given another Request have another list', async () => {
    const lists: BackgroundTasks[] = []
    const inner = withBackgroundTasks((_request, tasks) => {
      lists.push(tasks)
      return ok()
    })
    const outer = withBackgroundTasks((request, tasks) => {
      lists.push(tasks)
      return inner(new Request(request))
    })
    await outer(new Request('http://localhost/'))
    expect(lists[0]).not.toBe(lists[1])
  })

  test('pass an inner error on, and the outermost decides about the tasks', async () => {
    const inner = withBackgroundTasks((_request, tasks) => {
      tasks.add(() => {})
      throw new Error('inner')
    })
    const recovering = withBackgroundTasks((request) => {
      try {
        return inner(request)
      } catch {
        return ok()
      }
    })
    await recovering(new Request('http://localhost/'))
    expect((await recovering.drain()).succeeded).toBe(1)
  })
})

test('a handler that is no function is refused, naming what came', () => {
  expect(() => withBackgroundTasks(undefined as never)).toThrow(
    "Cannot create background tasks as 'handler' must be a function (request, tasks) => Response: current value is undefined",
  )
})

describe('an adapter', () => {
  test('that throws costs nothing: the response is delivered, the tasks run, the error is printed', async () => {
    const adapter = {
      name: 'broken',
      afterResponse() {
        throw new Error('adapter')
      },
    }
    const response = ok()
    const { call, handler, log } = wrapped(
      (tasks) => {
        tasks.add(function task() {})
        return response
      },
      { adapter },
    )
    expect(call()).toBe(response)
    expect(log()).toEqual(['added task'])
    await handler.drain()
    expect(log().at(-1)).toBe('succeeded task')
    expect(takePrinted().join()).toContain("adapter 'broken' failed: Error: adapter")
  })

  test('that rejects costs nothing either', async () => {
    const adapter = { name: 'broken', afterResponse: () => Promise.reject(new Error('adapter')) }
    const response = ok()
    const { call, handler, log } = wrapped(
      (tasks) => {
        tasks.add(function task() {})
        return response
      },
      { adapter },
    )
    expect(await call()).toBe(response)
    await handler.drain()
    expect(log().at(-1)).toBe('succeeded task')
    expect(takePrinted().length).toBe(1)
  })

  test('that calls start twice starts the tasks once, and not those of a later run', async () => {
    const starts: ((delivery: 'returned') => void)[] = []
    const adapter = { name: 'eager', afterResponse: (start: (delivery: 'returned') => void) => void starts.push(start) }
    let list!: BackgroundTasks
    const { call, handler, log } = wrapped(
      (tasks) => {
        list = tasks
        tasks.add(function task() {})
        return ok()
      },
      { adapter },
    )
    await call()
    starts[0]?.('returned')
    starts[0]?.('returned')
    await handler.drain()
    list.add(function late() {})
    starts[0]?.('returned')
    await turn()
    expect(log()).toEqual(['added task', 'started task', 'succeeded task', 'added late'])
    starts[1]?.('returned')
    expect((await handler.drain()).succeeded).toBe(1)
  })

  test('whose waitUntil refuses makes the first add throw, with nothing queued', async () => {
    const refusal = new Error('InvalidStateError')
    const adapter = {
      name: 'refusing',
      keepAlive() {
        throw refusal
      },
      afterResponse: () => expect.fail('afterResponse was called'),
    }
    const { call, events } = wrapped(
      (tasks) => {
        expect(() => tasks.add(() => {})).toThrow(refusal)
        expect(tasks.size).toBe(0)
        return ok()
      },
      { adapter },
    )
    expect(await (await call()).text()).toBe('ok')
    expect(events).toEqual([])
  })

  test('may hold the response back, also the error of a handler that threw', async () => {
    const adapter = {
      name: 'frozen',
      afterResponse: (start: (delivery: 'returned') => void) =>
        new Promise<void>((resolve) => {
          setTimeout(() => {
            start('returned')
            setTimeout(resolve, 5)
          })
        }),
    }
    const { call, log } = wrapped(
      (tasks) => {
        tasks.add(function task() {})
        throw new Error('handler')
      },
      { adapter, runOn: 'always' },
    )
    await expect(call()).rejects.toThrow('handler')
    expect(log().at(-1)).toBe('succeeded task')
  })
})

describe('a handler that returns what is odd', () => {
  const added = (answer: () => unknown): ReturnType<typeof wrapped> =>
    wrapped((tasks) => {
      tasks.add(function task() {})
      return answer()
    })

  test('a thenable of its own is awaited', async () => {
    const response = ok()
    const { call, handler, log } = added(() => ({
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested.
      then(resolve: (value: unknown) => void) {
        resolve(response)
      },
    }))
    expect(await call()).toBe(response)
    await handler.drain({ timeoutMs: 1_000 })
    expect(log().at(-1)).toBe('succeeded task')
  })

  test('what only passes for a promise counts as a handler that threw', async () => {
    const { call, handler, log } = added(() => new Proxy(Promise.resolve(ok()), {}))
    await expect(async () => await call()).rejects.toThrow(TypeError)
    await handler.drain({ timeoutMs: 1_000 })
    expect(log().at(-1)).toBe('discarded task')
  })

  test('a thenable that throws counts as a handler that threw', async () => {
    const { call, handler, log } = added(() => ({
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested.
      then() {
        throw new Error('meant to throw')
      },
    }))
    await expect(async () => await call()).rejects.toThrow('meant to throw')
    await handler.drain({ timeoutMs: 1_000 })
    expect(log().at(-1)).toBe('discarded task')
  })

  test('a Response that cannot be read is passed through, and its tasks run', async () => {
    // As of a proxy, which the getters of some hosts refuse.
    const response = Object.defineProperty({ headers: new Headers() }, 'status', {
      get() {
        throw new TypeError('Illegal invocation')
      },
    })
    const { call, handler, log } = added(() => response)
    expect(await call()).toBe(response)
    await handler.drain({ timeoutMs: 1_000 })
    expect(log().at(-1)).toBe('succeeded task')
  })
})
