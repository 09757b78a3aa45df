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

describe('nested wrappers', () => {
  test('share one list, with the options of the outermost, which is scheduled once', async () => {
    const log: string[] = []
    let lists: BackgroundTasks[] = []
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

    lists = []
    await inner(request)
    expect(lists[0], 'the list is forgotten once it has settled').not.toBe(undefined)
    expect((await inner.drain()).discarded).toBe(1)
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
      tasks.add(function task() {})
      throw new Error('inner')
    })
    const { handler, log } = wrapped(() => ok())
    const outer = wrapped(() => ok(), {})
    const recovering = withBackgroundTasks(
      (request) => {
        try {
          return inner(request)
        } catch {
          return ok()
        }
      },
      { observer: (event) => void outer.events.push(event) },
    )
    await recovering(new Request('http://localhost/'))
    await recovering.drain()
    expect(outer.log()).toEqual(['added task', 'started task', 'succeeded task'])
    await handler.drain()
    expect(log()).toEqual([])
  })
})

describe('bad input', () => {
  test('a handler that is no function is refused, naming what came', () => {
    expect(() => withBackgroundTasks(undefined as never)).toThrow(
      "Cannot create background tasks as 'handler' must be a function (request, tasks) => Response: current value is undefined",
    )
  })

  test('an adapter that throws costs nothing: the response is delivered, the tasks run, the error is printed', async () => {
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

  test('an adapter that rejects costs nothing either', async () => {
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

  test('an adapter that calls start twice starts the tasks once', async () => {
    const adapter = {
      name: 'eager',
      afterResponse(start: (delivery: 'returned') => void) {
        setTimeout(() => {
          start('returned')
          start('returned')
        })
      },
    }
    let runs = 0
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(() => runs++)
        return ok()
      },
      { adapter },
    )
    await call()
    await handler.drain()
    await turn()
    expect(runs).toBe(1)
  })

  test('a waitUntil that refuses makes the first add throw, with nothing queued', async () => {
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
})

test('an adapter may hold the response back, also the error of a handler that threw', async () => {
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
