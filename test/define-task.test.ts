import { AsyncLocalStorage } from 'node:async_hooks'
import * as v from 'valibot'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import {
  type BackgroundTasks,
  createBackgroundTasks,
  defineTask,
  type StandardSchemaLike,
  type Task,
  type TaskContext,
  TaskInputError,
  TooManyTasksError,
} from '../src/index.ts'
import { deferred, ok, turn, wrapped } from './_wrapped.ts'

const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/
const run = (): void => {}

/** What `add` throws within a handler, and what the list holds then. */
async function refusedBy(task: Task, ...rest: unknown[]): Promise<unknown> {
  let thrown: unknown
  const { call, log } = wrapped((tasks) => {
    try {
      tasks.add(task, ...(rest as [unknown]))
    } catch (error) {
      thrown = error
    }
    expect({ size: tasks.size, pending: tasks.pending }, 'nothing is queued').toEqual({ size: 0, pending: [] })
    return ok()
  })
  await call()
  await turn()
  expect(log(), 'nothing is told').toEqual([])
  return thrown
}

/** What `run` is given for an input. */
async function received(schema: StandardSchemaLike<any, any>, input: unknown): Promise<unknown[]> {
  const inputs: unknown[] = []
  const task = defineTask({ name: 'task', input: schema, run: (value) => inputs.push(value) })
  const { call, handler } = wrapped((tasks) => {
    tasks.add(task, input)
    return ok()
  })
  await call()
  await handler.drain()
  return inputs
}

describe('defineTask', () => {
  test.each<[string, string, unknown]>([
    ['name', 'a string that is not empty: current value is ""', ''],
    ['name', 'a string that is not empty: current value is undefined', undefined],
    ['name', 'a string that is not empty: current value is 1', 1],
    ['run', 'a function (input, context) => …: current value is undefined', undefined],
    ['run', 'a function (input, context) => …: current value is "send"', 'send'],
    ['input', 'a Standard Schema: current value is [object Object]', { type: 'object' }],
    ['input', 'a Standard Schema: current value is null', null],
    ['input', 'a Standard Schema: current value is [object Object]', { '~standard': { validate: true } }],
    ['retry', 'an object: current value is 3', 3],
    ['retry', 'an object: current value is null', null],
    ['retry', 'an object: current value is [object Array]', []],
    ['retry.attempts', 'a positive integer: current value is 0', { attempts: 0 }],
    ['retry.attempts', 'a positive integer: current value is 1.5', { attempts: 1.5 }],
    ['retry.attempts', 'a positive integer: current value is Infinity', { attempts: Infinity }],
    ['retry.delayMs', 'a number of milliseconds from 0 to 2^31-1: current value is -1', { delayMs: -1 }],
    ['retry.delayMs', 'a number of milliseconds from 0 to 2^31-1: current value is "1s"', { delayMs: '1s' }],
    ['retry.factor', 'a number, 1 or more: current value is 0.5', { factor: 0.5 }],
    ['retry.factor', 'a number, 1 or more: current value is NaN', { factor: Number.NaN }],
    ['retry.maxDelayMs', 'a number of milliseconds from 0 to 2^31-1: current value is NaN', { maxDelayMs: Number.NaN }],
    [
      'retry.maxDelayMs',
      'a number of milliseconds from 0 to 2^31-1: current value is 2147483648',
      { maxDelayMs: 2 ** 31 },
    ],
    ['retry.jitter', 'a number from 0 to 1: current value is 1.1', { jitter: 1.1 }],
    ['retry.jitter', 'a number from 0 to 1: current value is -0.1', { jitter: -0.1 }],
    ['retry.jitter', 'a number from 0 to 1: current value is true', { jitter: true }],
    ['timeoutMs', 'a number of milliseconds from 1 to 2^31-1: current value is 0', 0],
    ['timeoutMs', 'a number of milliseconds from 1 to 2^31-1: current value is 2147483648', 2 ** 31],
    ['timeoutMs', 'a number of milliseconds from 1 to 2^31-1: current value is Infinity', Infinity],
    ['runOn', `'response', 'success', 'always' or a function: current value is "never"`, 'never'],
    ['runOn', `'response', 'success', 'always' or a function: current value is null`, null],
    ['inline', 'a boolean: current value is "yes"', 'yes'],
  ])("'%s' must be %s", (name, rest, value) => {
    const [field = ''] = name.split('.')
    const definition = { name: 'task', run, [field]: value } as never
    expect(() => defineTask(definition)).toThrow(new TypeError(`Cannot define the task as '${name}' must be ${rest}`))
  })

  test('refuses what is no object', () => {
    expect(() => defineTask(undefined as never)).toThrow(TypeError)
    expect(() => defineTask(run as never)).toThrow('must be an object: current value is function run')
  })

  test('takes the least and the most of each option, and undefined for its default', () => {
    expect(() =>
      defineTask({
        name: 'least',
        run,
        timeoutMs: 1,
        retry: { attempts: 1, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 },
      }),
    ).not.toThrow()
    const most = 2 ** 31 - 1
    expect(() =>
      defineTask({ name: 'most', run, timeoutMs: most, retry: { delayMs: most, maxDelayMs: most, jitter: 1 } }),
    ).not.toThrow()
    const undefinedOptions = { retry: undefined, timeoutMs: undefined, runOn: undefined, inline: undefined }
    expect(defineTask({ name: 'task', input: undefined, run, ...undefinedOptions })).toMatchObject({
      retry: undefined,
      timeoutMs: undefined,
      runOn: undefined,
      inline: false,
    })
  })

  test('fills in the defaults of retry', () => {
    const retry = { attempts: 3, delayMs: 1000, factor: 2, maxDelayMs: 60_000, jitter: 1 }
    expect(defineTask({ name: 'task', run, retry: {} }).retry).toEqual(retry)
    expect(defineTask({ name: 'task', run, retry: { attempts: 5, jitter: 0 } }).retry).toEqual({
      ...retry,
      attempts: 5,
      jitter: 0,
    })
  })

  test('keeps what was defined: changing the definition later changes nothing', () => {
    const definition = { name: 'task', run, timeoutMs: 5, retry: { attempts: 2 } }
    const task = defineTask(definition)
    definition.timeoutMs = 7
    definition.retry.attempts = 9
    expect(task).toMatchObject({ timeoutMs: 5, retry: { attempts: 2 } })
  })
})

describe('a defined task', () => {
  test('is run with its input and with what it may want to know', async () => {
    const calls: [unknown, TaskContext][] = []
    const task = defineTask({
      name: 'greet',
      run(this: unknown, ...args: [to: { name: string }, context: TaskContext]) {
        expect(this, 'no definition, no entry').toBeUndefined()
        calls.push(args)
      },
    })
    const input = { name: 'ada' }
    let id!: string
    const { call, handler } = wrapped((tasks) => {
      id = tasks.add(task, input)
      return new Response(null, { status: 202 })
    })
    await call()
    expect((await handler.drain()).succeeded).toBe(1)
    expect(calls.length).toBe(1)
    const [[value, context]] = calls as [[unknown, TaskContext]]
    expect(value).toBe(input)
    expect({ ...context, signal: context.signal }).toEqual({
      id,
      name: 'greet',
      attempt: 1,
      outcome: { status: 202, threw: false, error: undefined, delivery: 'returned' },
      signal: expect.any(AbortSignal),
    })
    expect(context.signal, 'the same one each time').toBe(context.signal)
    expect(context.signal.aborted, 'it has succeeded').toBe(false)
  })

  test('is told what the handler threw', async () => {
    const error = new Error('no')
    const outcome = deferred<unknown>()
    const task = defineTask({
      name: 'task',
      runOn: 'always',
      run: (_input, context) => outcome.resolve(context.outcome),
    })
    const { call, handler } = wrapped((tasks) => {
      tasks.add(task)
      throw error
    })
    expect(() => call()).toThrow(error)
    await handler.drain()
    expect(await outcome.promise).toMatchObject({ threw: true, error, status: undefined, delivery: 'returned' })
  })

  test('asks a runOn function of its own when the list starts, also where the rule of the wrapper says no', async () => {
    const asked: unknown[] = []
    const task = defineTask({
      name: 'task',
      run: () => {},
      runOn: ({ status, delivery }) => {
        asked.push([status, delivery])
        return true
      },
    })
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(task)
        return new Response(null, { status: 500 })
      },
      { runOn: 'success' },
    )
    call()
    expect(await handler.drain()).toMatchObject({ succeeded: 1, discarded: 0 })
    expect(asked).toEqual([[500, 'returned']])
  })

  test('runs among functions in order of adding', async () => {
    const log: string[] = []
    const task = defineTask({
      name: 'task',
      async run(value: string) {
        await turn()
        log.push(value)
      },
    })
    const { call, handler } = wrapped((tasks) => {
      tasks.add(task, 'one')
      tasks.add((value: string) => log.push(value), 'two')
      tasks.add(task, 'three')
      return ok()
    })
    await call()
    await handler.drain()
    expect(log).toEqual(['one', 'two', 'three'])
  })

  test('may come from another copy of the package', async () => {
    vi.resetModules()
    const copy = await import('../src/index.ts')
    expect(copy.defineTask).not.toBe(defineTask)
    const inputs: unknown[] = []
    const task = copy.defineTask({ name: 'copied', input: z.coerce.number(), run: (value) => inputs.push(value) })
    const { call, handler, log } = wrapped((tasks) => {
      tasks.add(task, '7')
      return ok()
    })
    await call()
    await handler.drain()
    expect(inputs).toEqual([7])
    expect(log()).toEqual(['added copied', 'started copied', 'succeeded copied'])
  })

  test('is refused when it has no way to check its input, as what was never defined', async () => {
    const thrown = await refusedBy({ name: 'task', run } as never)
    expect(thrown).toEqual(
      new TypeError('Cannot add the task as it must be a function: current value is [object Object]'),
    )
  })

  test('runs every attempt in the async context of its add, however the one before failed', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const task = defineTask({
      name: 'task',
      retry: { attempts: 4, delayMs: 1 },
      timeoutMs: 50,
      run(_input, { attempt }): unknown {
        seen.push(storage.getStore())
        if (attempt === 1) throw new Error('thrown')
        if (attempt === 2) return storage.run('other', () => Promise.reject(new Error('rejected')))
        if (attempt === 3) return storage.run('other', () => new Promise(() => {}))
      },
    })
    const { call, handler } = wrapped((tasks) => {
      storage.run('at add', () => tasks.add(task))
      return ok()
    })
    await storage.run('at call', call)
    expect((await storage.run('at drain', () => handler.drain())).succeeded).toBe(1)
    expect(seen).toEqual(new Array(4).fill('at add'))
  })

  test('cannot drain in any attempt, where it would wait for itself, neither at once nor later', async () => {
    const refusals: unknown[] = []
    const { call, handler } = wrapped((tasks) => {
      const task = defineTask({
        name: 'task',
        retry: { attempts: 2, delayMs: 1 },
        async run(_input, { attempt }) {
          const refused = (error: Error): number => refusals.push(error.message)
          await handler.drain().catch(refused)
          await turn()
          await handler.drain({ timeoutMs: 1000 }).catch(refused)
          if (attempt === 1) throw new Error('no')
        },
      })
      tasks.add(task)
      return ok()
    })
    await call()
    expect((await handler.drain()).succeeded).toBe(1)
    expect(refusals).toEqual(new Array(4).fill('Cannot drain inside a task as it would wait for itself'))
  })

  test('retries in real time also where a test has installed fake timers since', async () => {
    let attempts = 0
    const task = defineTask({
      name: 'task',
      retry: { attempts: 2, delayMs: 1, jitter: 0 },
      timeoutMs: 60_000,
      run() {
        if (++attempts === 1) throw new Error('no')
      },
    })
    const { call, handler } = wrapped((tasks) => {
      tasks.add(task)
      return ok()
    })
    vi.useFakeTimers()
    try {
      await call()
      expect((await handler.drain()).succeeded).toBe(1)
    } finally {
      vi.useRealTimers()
    }
    expect(attempts).toBe(2)
  })
})

describe('the id of a defined task', () => {
  test('is a UUID, another one each time, and the same everywhere', async () => {
    const failures: unknown[] = []
    const contexts: string[] = []
    const task = defineTask({
      name: 'task',
      run: (_input: string, { id }) => {
        contexts.push(id)
        throw new Error('no')
      },
    })
    const ids: string[] = []
    const { call, handler, events } = wrapped(
      (tasks) => {
        ids.push(tasks.add(task, 'one'), tasks.add(task, 'two'))
        expect(tasks.pending.map(({ id }) => id)).toEqual(ids)
        return ok()
      },
      { onError: (_error, { id, name, attempt }) => failures.push({ id, name, attempt }) },
    )
    await call()
    await handler.drain()
    const [one = '', two = ''] = ids
    expect(one).toMatch(UUID)
    expect(two).toMatch(UUID)
    expect(one).not.toBe(two)
    expect(contexts).toEqual(ids)
    expect(failures).toEqual([
      { id: one, name: 'task', attempt: 1 },
      { id: two, name: 'task', attempt: 1 },
    ])
    expect(events.map(({ task }) => task.id)).toEqual([one, two, one, one, two, two])
  })

  test('may be given: any string that is not empty', async () => {
    const task = defineTask({ name: 'task', run: (_input: string, { id }) => expect(id).toBe('order:7') })
    const { call, handler, events } = wrapped((tasks) => {
      expect(tasks.add(task, 'input', { id: 'order:7' })).toBe('order:7')
      expect(tasks.add(task, 'input', { id: undefined })).toMatch(UUID)
      tasks.clear()
      expect(tasks.add(task, 'input', { id: 'order:7' })).toBe('order:7')
      return ok()
    })
    await call()
    expect(await handler.drain()).toMatchObject({ succeeded: 1, failed: 0 })
    expect(events.at(-1)?.task).toEqual({ id: 'order:7', name: 'task' })
  })

  test.each<[string, unknown]>([
    ['""', ''],
    ['7', 7],
    ['null', null],
    ['[object Object]', {}],
  ])('is refused as %s, with nothing queued', async (shown, id) => {
    const task = defineTask({ name: 'greet', run: (_input: string) => {} })
    expect(await refusedBy(task, 'ada', { id })).toEqual(
      new TypeError(
        `Cannot add the task 'greet' as 'id' must be a string that is not empty: current value is ${shown}`,
      ),
    )
  })

  test.each<[string, unknown]>([
    ['null', null],
    ['"order:7"', 'order:7'],
  ])('is refused with options that are no object: %s', async (shown, options) => {
    const task = defineTask({ name: 'greet', run: (_input: string) => {} })
    expect(await refusedBy(task, 'ada', options)).toEqual(
      new TypeError(`Cannot add the task 'greet' as 'options' must be an object: current value is ${shown}`),
    )
  })

  test('is returned even when the task ends while it is added', async () => {
    let list!: BackgroundTasks
    const task = defineTask({ name: 'task', run })
    const { call, log } = wrapped(
      (tasks) => {
        list = tasks
        expect(tasks.add(task, undefined, { id: 'mine' })).toBe('mine')
        return ok()
      },
      { observer: ({ type }) => type === 'added' && list.clear() },
    )
    await call()
    expect(log()).toEqual([])
    expect(list.size).toBe(0)
  })
})

describe('the input of a defined task', () => {
  const user = { name: 'Ada', address: { lines: ['1', '2'] } }

  test('is passed by reference where there is no schema', async () => {
    const inputs: unknown[] = []
    const task = defineTask({ name: 'task', run: (input: object) => inputs.push(input) })
    const { call, handler } = wrapped((tasks) => {
      tasks.add(task, user)
      return ok()
    })
    await call()
    await handler.drain()
    expect(inputs[0]).toBe(user)
  })

  test('may be left out where it may be undefined', async () => {
    const inputs: unknown[] = []
    const task = defineTask({ name: 'task', run: (...args) => inputs.push(args.length, args[0]) })
    const { call, handler } = wrapped((tasks) => {
      tasks.add(task)
      return ok()
    })
    await call()
    await handler.drain()
    expect(inputs).toEqual([2, undefined])
  })

  const schemas = {
    zod: z.object({ name: z.string(), address: z.object({ lines: z.array(z.string()) }) }),
    valibot: v.object({ name: v.string(), address: v.object({ lines: v.array(v.string()) }) }),
  } as const

  test.each(['zod', 'valibot'] as const)(
    'that %s refuses is a TaskInputError at add, with the path and the issues',
    async (validator) => {
      const task = defineTask({ name: 'greet', input: schemas[validator] as typeof schemas.zod, run })
      const thrown = await refusedBy(task, { name: 'Ada', address: { lines: ['1', 2] } })
      expect(thrown).toBeInstanceOf(TaskInputError)
      const { name, message, issues } = thrown as TaskInputError
      expect(name).toBe('TaskInputError')
      expect(message).toMatch(/^Cannot add the task 'greet' as its input is invalid: address\.lines\.1: Invalid .+/)
      expect(issues).toHaveLength(1)
      expect(message).toContain(issues[0]?.message)
    },
  )

  test('that is refused for several reasons says all of them, and those without a path without one', async () => {
    const several = await refusedBy(defineTask({ name: 'task', input: schemas.zod, run }), { address: {} })
    expect((several as TaskInputError).issues).toHaveLength(2)
    expect((several as TaskInputError).message).toMatch(/: name: [^;]+; address\.lines: [^;]+$/)
    const one = await refusedBy(defineTask({ name: 'task', input: z.string('a text, please'), run }), 1)
    expect((one as TaskInputError).message).toBe("Cannot add the task 'task' as its input is invalid: a text, please")
  })

  test('that is refused leaves the tasks added before in place, and the list usable', async () => {
    const task = defineTask({ name: 'task', input: z.number(), run })
    const { call, handler } = wrapped((tasks) => {
      tasks.add(task, 1)
      expect(() => tasks.add(task, 'two' as never)).toThrow(TaskInputError)
      tasks.add(task, 3)
      return ok()
    })
    await call()
    expect((await handler.drain()).succeeded).toBe(2)
  })

  test.each(['zod', 'valibot'] as const)('is what %s makes of it, which is done once', async (validator) => {
    let transforms = 0
    const double = (value: string): number => {
      transforms++
      return Number(value) * 2
    }
    const doubling = {
      zod: z.string().transform(double),
      valibot: v.pipe(v.string(), v.transform(double)),
    }
    expect(await received(doubling[validator], '21')).toEqual([42])
    expect(transforms).toBe(1)
  })

  test('is transformed once for all attempts', async () => {
    let transforms = 0
    const inputs: number[] = []
    const task = defineTask({
      name: 'task',
      input: z.string().transform((value) => Number(value) + ++transforms),
      retry: { attempts: 3, delayMs: 0 },
      run(value) {
        inputs.push(value)
        throw new Error('no')
      },
    })
    const { call, handler } = wrapped((tasks) => {
      tasks.add(task, '0')
      return ok()
    })
    await call()
    await handler.drain()
    expect(inputs).toEqual([1, 1, 1])
  })

  test('may be undefined and be given a default', async () => {
    expect(await received(z.number().default(7), undefined)).toEqual([7])
  })

  test('is shown in pending as it was passed, and an array of arguments is not', async () => {
    const task = defineTask({ name: 'task', input: z.string().transform(Number), run })
    const { call, handler } = wrapped((tasks) => {
      const id = tasks.add(task, '21')
      expect(tasks.pending).toEqual([{ id, name: 'task', args: [], input: '21' }])
      return ok()
    })
    await call()
    expect((await handler.drain()).succeeded).toBe(1)
  })

  test.each<[string, StandardSchemaLike<any, any>]>([
    ['zod', z.string().refine(async () => true)],
    [
      'valibot',
      v.pipeAsync(
        v.string(),
        v.checkAsync(async () => true),
      ),
    ],
    // Nobody must hear of it: the test fails at an unhandled rejection.
    [
      'valibot, which rejects',
      v.pipeAsync(
        v.string(),
        v.checkAsync(() => Promise.reject(new Error('no database'))),
      ),
    ],
  ])('cannot be checked by an asynchronous schema of %s', async (_validator, schema) => {
    const thrown = await refusedBy(defineTask({ name: 'greet', input: schema, run }), 'ada')
    expect(thrown).toEqual(
      new TypeError("Cannot add the task 'greet' as its schema is asynchronous, or threw: check that in the task"),
    )
    await turn()
  })

  test('may be checked by a schema that is a function, and its symbols and objects in a path are shown', async () => {
    const schema = Object.assign(() => {}, {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => ({ issues: [{ message: 'odd', path: ['a', { key: 0 }, Symbol('s')] }] }),
      } as const,
    })
    const thrown = await refusedBy(defineTask({ name: 'task', input: schema, run }), 1)
    expect((thrown as Error).message).toBe("Cannot add the task 'task' as its input is invalid: a.0.Symbol(s): odd")
  })

  test('what a schema throws comes out of add, with nothing queued', async () => {
    const error = new Error('the schema is broken')
    const validate = (): never => {
      throw error
    }
    const schema = { '~standard': { version: 1, vendor: 'test', validate } } as const
    expect(await refusedBy(defineTask({ name: 'task', input: schema, run }), 'ada')).toBe(error)
  })

  test('is refused at a late add as well', async () => {
    let list!: BackgroundTasks
    const { call } = wrapped((tasks) => {
      list = tasks
      return ok()
    })
    await call()
    expect(() => list.add(defineTask({ name: 'task', input: z.number(), run }), 'x' as never)).toThrow(TaskInputError)
    expect(list.size).toBe(0)
  })
})

test('a defined task past maxPending is refused by its name', async () => {
  const task = defineTask({ name: 'greet', run })
  const { call, handler } = wrapped(
    (tasks) => {
      tasks.add(task)
      expect(() => tasks.add(task)).toThrow(
        new TooManyTasksError("Cannot add the task 'greet' as 1 tasks are unsettled (maxPending): answer 503"),
      )
      return ok()
    },
    { maxPending: 1 },
  )
  await call()
  expect((await handler.drain()).succeeded).toBe(1)
})

test('a drain inside a task is refused also where somebody has replaced Promise', async () => {
  const original = Promise
  globalThis.Promise = class extends Promise<any> {} as PromiseConstructor
  try {
    const scope = createBackgroundTasks({
      adapter: { name: 'at once', afterResponse: (start) => void setImmediate(start, 'returned') },
    })
    const { tasks, settle } = scope.open()
    let refused: unknown
    tasks.add(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      refused = await Promise.race([
        scope.drain().catch((error: Error) => error.message),
        new Promise((resolve) => setTimeout(resolve, 500, 'waited')),
      ])
    })
    settle(undefined)
    await scope.drain()
    expect(refused).toBe('Cannot drain inside a task as it would wait for itself')
  } finally {
    globalThis.Promise = original
  }
})
