import { Hono } from 'hono'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { addTask, currentTasks, taskContext, withTaskContext } from '../../adapters/context.ts'
import { detached } from '../../adapters/detached.ts'
import { type BackgroundTasksVariables, backgroundTasks } from '../../adapters/hono.ts'
import { type AddOptions, type BackgroundTasks, defineTask, withBackgroundTasks } from '../../src/index.ts'
import { ok, turn } from '../_wrapped.ts'
import { type Runtime, scenarioOn, scenarioOnNode20, scenarioOnWorkerd } from './_scenario.ts'

const SCENARIO = '_context-scenario.ts'
const seen = {
  first: true,
  interleaved: { handler: 100, task: 100, retry: 100, addedByTask: 100 },
  hono: ['same list'],
  current: 'undefined',
  outside:
    'Error: Cannot add the task as no request is being handled here: wrap the handler, withBackgroundTasks(withTaskContext(handler)), or in Hono use taskContext() after backgroundTasks()',
}

describe('100 interleaved requests, their tasks, retries and the tasks of tasks each see their own list', () => {
  test.each<Runtime>(['node', 'deno', 'bun'])('on %s', async (runtime) => {
    expect(await scenarioOn(runtime, SCENARIO)).toEqual(seen)
  })

  test('on Node 20, bundled as a module', async () => {
    expect(await scenarioOnNode20(SCENARIO, 'esm')).toEqual(seen)
  })

  test('on Node 20, bundled as CommonJS, where a top-level await would be refused', async () => {
    expect(await scenarioOnNode20(SCENARIO, 'cjs')).toEqual(seen)
  })

  test.each([['nodejs_als'], ['nodejs_compat']])('on Workers with the flag %s alone', async (flag) => {
    expect(await scenarioOnWorkerd(SCENARIO, [flag])).toEqual(seen)
  })

  test('on a Node without process.getBuiltinModule, also when asked before the import has come', async () => {
    expect(await scenarioOn('node', '_context-without-builtin.ts')).toEqual(seen)
  })
})

test.each<Runtime>(['node', 'deno', 'bun'])(
  'on %s a synchronous handler is answered synchronously from the first call on',
  async (runtime) => {
    expect(await scenarioOn(runtime, '_context-at-once.ts')).toEqual({ atOnce: true, sameList: true })
  },
)

describe('on Workers without a flag', () => {
  const missing =
    'this host has no AsyncLocalStorage: on Workers set the compatibility flag nodejs_als or nodejs_compat'

  test('the Worker starts, and the first use says which flag to set', async () => {
    expect(await scenarioOnWorkerd(SCENARIO, [])).toBe(`Error: Cannot keep the list of tasks as ${missing}`)
  })

  test('addTask says it too, and handlers without a context are not affected', async () => {
    expect(await scenarioOnWorkerd('_context-missing.ts', [])).toEqual({
      without: 'ok',
      current: 'undefined',
      added: `Error: Cannot add the task as ${missing}`,
    })
  })
})

/** A handler with a context, and its log. */
function inContext(handler: () => Response) {
  const log: string[] = []
  const wrapped = withBackgroundTasks(withTaskContext(handler), {
    observer: ({ type, task }) => void log.push(`${type} ${task.name}`),
  })
  return { handler: wrapped, log, call: () => wrapped(new Request('http://localhost/')) }
}

describe('withTaskContext', () => {
  test('a synchronous handler is answered synchronously, and gets what the host passes', () => {
    const env = { name: 'env' }
    const handler = withBackgroundTasks(
      withTaskContext((request, tasks, ...platform: [typeof env, number]) => {
        expect(tasks).toBe(currentTasks())
        expect(platform[0]).toBe(env)
        return new Response(`${request.method} ${platform.length}`)
      }),
    )
    expect(handler(new Request('http://localhost/'), env, 1)).toBeInstanceOf(Response)
  })

  test('keeps the type of the handler: request, list, platform', () => {
    const handler = withTaskContext((_request: Request, _tasks, _env: { key: string }, _count: number) => ok())
    expectTypeOf(withBackgroundTasks(handler)).parameters.toEqualTypeOf<[Request, { key: string }, number]>()
    expectTypeOf(withTaskContext).parameter(0).parameter(1).toEqualTypeOf<BackgroundTasks>()
    // @ts-expect-error: a string is no Response
    expect(withTaskContext(() => 'ok')).toBeTypeOf('function')
  })

  test('what the handler throws comes out as it is, and its tasks are discarded', () => {
    const error = new Error('no')
    const { call, log } = inContext(() => {
      addTask(function task() {})
      throw error
    })
    expect(call).toThrow(error)
    expect(log).toEqual(['added task', 'discarded task'])
  })

  test('after the request, and beside it, there is no list', async () => {
    const { call, handler } = inContext(() => {
      addTask(async () => turn())
      return ok()
    })
    await call()
    expect(currentTasks()).toBe(undefined)
    await handler.drain()
    expect(currentTasks()).toBe(undefined)
  })

  test('nested wrappers share one list, and the innermost context wins', async () => {
    const inner = withBackgroundTasks(
      withTaskContext((_request, tasks) => {
        expect(currentTasks()).toBe(tasks)
        addTask(function inner() {})
        return ok()
      }),
    )
    const lists: unknown[] = []
    const other = withBackgroundTasks(
      withTaskContext((_request, tasks) => {
        lists.push(tasks, currentTasks())
        return ok()
      }),
    )
    const events: string[] = []
    const outer = withBackgroundTasks(
      withTaskContext(async (request, tasks) => {
        await inner(request)
        await other(new Request('http://localhost/other'))
        expect(currentTasks()).toBe(tasks)
        addTask(function outer() {})
        lists.push(tasks)
        return ok()
      }),
      { observer: ({ type, task }) => void events.push(`${type} ${task.name}`) },
    )
    await outer(new Request('http://localhost/'))
    await outer.drain()
    expect(events.filter((event) => event.startsWith('succeeded'))).toEqual(['succeeded inner', 'succeeded outer'])
    expect(lists[0]).toBe(lists[1])
    expect(lists[0]).not.toBe(lists[2])
  })

  test('what is no function is refused', () => {
    expect(() => withTaskContext('handler' as never)).toThrow(
      new TypeError(
        `Cannot give the handler a task context as 'handler' must be a function (request, tasks) => Response: current value is "handler"`,
      ),
    )
  })

  test('a handler that was not given to withBackgroundTasks says so, rather than take env for the list', () => {
    const handler = withTaskContext(ok) as (...host: unknown[]) => unknown
    for (const host of [[], [{ KV: {} }, { waitUntil() {} }]]) {
      expect(() => handler(new Request('http://localhost/'), ...host)).toThrow(
        'Cannot keep the list of tasks as the handler got no list: wrap it, withBackgroundTasks(withTaskContext(handler))',
      )
    }
  })
})

describe('addTask', () => {
  const greet = defineTask({ name: 'greet', run: (name: string) => name })
  const tick = defineTask({ name: 'tick', run: () => {} })

  test('adds what tasks.add adds, with the same results and refusals', async () => {
    const ids: unknown[] = []
    const { call, handler, log } = inContext(() => {
      ids.push(addTask(Math.max, 1, 2), addTask(greet, 'ada'), addTask(tick), addTask(greet, 'ada', { id: 'mine' }))
      expect(() => addTask(Promise.resolve() as never)).toThrow('pass the function and its arguments, not the promise')
      return ok()
    })
    await call()
    await handler.drain()
    expect(ids).toEqual([undefined, expect.stringMatching(/^[\da-f-]{36}$/), expect.any(String), 'mine'])
    expect(log.filter((line) => line.startsWith('succeeded'))).toEqual([
      'succeeded max',
      'succeeded greet',
      'succeeded tick',
      'succeeded greet',
    ])
  })

  test('has the types of tasks.add', () => {
    expectTypeOf(addTask).toEqualTypeOf<BackgroundTasks['add']>()
    const calls = () => {
      expectTypeOf(addTask(Math.max, 1)).toEqualTypeOf<void>()
      expectTypeOf(addTask(greet, 'ada', {} as AddOptions)).toEqualTypeOf<string>()
      // @ts-expect-error: of another type
      addTask(greet, 1)
      // @ts-expect-error: missing
      addTask(greet)
      // @ts-expect-error: one too many
      addTask((_name: string) => {}, 'ada', 1)
    }
    expect(calls).toThrow('no request is being handled here')
  })
})

describe('taskContext', () => {
  test('gives the handlers, sub-apps and middleware below it the list of c.var.tasks', async () => {
    const background = backgroundTasks({ adapter: detached() })
    const log: string[] = []
    const app = new Hono().use(background, taskContext())
    app.use(async (_c, next) => {
      addTask(() => log.push('before'))
      await next()
      addTask(() => log.push('after'))
    })
    app.route(
      '/sub',
      new Hono().get('/', (c) => {
        addTask(() => log.push('handler'))
        return c.text('ok')
      }),
    )
    await app.request('/sub')
    expect((await background.drain()).succeeded).toBe(3)
    expect(log).toEqual(['before', 'handler', 'after'])
  })

  test('fits wherever Hono takes middleware, and leaves the types of the variables as they were', async () => {
    const background = backgroundTasks({ adapter: detached() })
    const log: string[] = []
    const chained = new Hono().use(background).use(taskContext())
    chained.get('/', (c) => {
      c.var.tasks.add(() => log.push('chained'))
      return c.text('ok')
    })
    const declared = new Hono<{ Variables: BackgroundTasksVariables & { user: string } }>()
    declared.use('*', background, taskContext())
    declared.on('GET', '/', taskContext(), (c) => {
      expectTypeOf(c.var.user).toBeString()
      c.var.tasks.add(() => log.push('declared'))
      return c.text('ok')
    })
    const route = new Hono().get('/', background, taskContext(), (c) => {
      c.var.tasks.add(() => log.push('route'))
      return c.text('ok')
    })
    new Hono().use(taskContext()).get('/', (c) => {
      // @ts-expect-error: it does not claim that there is a list
      c.var.tasks.add(() => {})
      return c.text('ok')
    })
    for (const app of [chained, declared, route]) await app.request('/')
    await background.drain()
    expect(log).toEqual(['chained', 'declared', 'route'])
  })

  test('without backgroundTasks() before it the error says so', async () => {
    const app = new Hono().use(taskContext())
    const errors: unknown[] = []
    app.onError((error, c) => {
      errors.push(error)
      return c.text('sorry', 500)
    })
    expect((await app.request('/')).status).toBe(500)
    expect(errors).toEqual([
      new Error('Cannot keep the list of tasks as c.var.tasks is missing: use backgroundTasks() before it'),
    ])
  })
})
