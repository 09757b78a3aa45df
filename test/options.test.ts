import { describe, expect, test } from 'vitest'
import { node } from '../adapters/node.ts'
import {
  type Adapter,
  type BackgroundTasks,
  type BackgroundTasksOptions,
  createBackgroundTasks,
  defineTask,
  type Outcome,
  type RunOn,
  withBackgroundTasks,
} from '../src/index.ts'
import { takePrinted } from './_printed.ts'
import { endsOf, ok, wrapped } from './_wrapped.ts'

test.each<[string, string, unknown]>([
  ['adapter', 'an adapter such as node() or workers(): current value is function node', node],
  ['runOn', `'response', 'success', 'always' or a function: current value is "succes"`, 'succes'],
  ['start', `'auto', 'response', 'body': current value is "end"`, 'end'],
  ['concurrency', 'a positive integer or Infinity: current value is 0', 0],
  ['concurrency', 'a positive integer or Infinity: current value is 1.5', 1.5],
  ['concurrency', 'a positive integer or Infinity: current value is "2"', '2'],
  ['stopOnError', 'a boolean: current value is "yes"', 'yes'],
  ['maxPending', 'a positive integer or Infinity: current value is NaN', Number.NaN],
  ['onError', 'a function: current value is null', null],
  ['observer', 'a function: current value is [object Object]', {}],
  ['timeoutMs', 'a number of milliseconds from 1 to 2^31-1: current value is 0', 0],
  ['timeoutMs', 'a number of milliseconds from 1 to 2^31-1: current value is Infinity', Infinity],
  ['timeoutMs', 'a number of milliseconds from 1 to 2^31-1: current value is 2147483647.5', 2 ** 31 - 0.5],
  ['timeoutMs', 'a number of milliseconds from 1 to 2^31-1: current value is "1000"', '1000'],
  ['retry', 'an object: current value is 3', 3],
  ['retry', 'an object: current value is [object Array]', []],
  ['retry.attempts', 'a positive integer: current value is 0', { attempts: 0 }],
  ['retry.delayMs', 'a number of milliseconds from 0 to 2^31-1: current value is NaN', { delayMs: Number.NaN }],
  ['retry.factor', 'a number, 1 or more: current value is "2"', { factor: '2' }],
  ['retry.maxDelayMs', 'a number of milliseconds from 0 to 2^31-1: current value is -1', { maxDelayMs: -1 }],
  ['retry.jitter', 'a number from 0 to 1: current value is 2', { jitter: 2 }],
])("the option '%s' must be %s", (name, rest, value) => {
  const [option = ''] = name.split('.')
  const options = { [option]: value } as BackgroundTasksOptions
  const message = `Cannot create background tasks as '${name}' must be ${rest}`
  expect(() => createBackgroundTasks(options)).toThrow(new TypeError(message))
  expect(() => withBackgroundTasks(ok, options)).toThrow(new TypeError(message))
})

test('options that are no object are refused', () => {
  expect(() => withBackgroundTasks(ok, null as never)).toThrow("'options' must be an object: current value is null")
  expect(() => withBackgroundTasks(ok, [] as never)).toThrow(
    "'options' must be an object: current value is [object Array]",
  )
})

test('undefined stands for the default of every option', () => {
  const options = { adapter: undefined, runOn: undefined, start: undefined, concurrency: undefined, onError: undefined }
  expect(withBackgroundTasks(ok, options)(new Request('http://localhost/'))).toBeInstanceOf(Response)
  const attempts = {
    attempts: undefined,
    delayMs: undefined,
    factor: undefined,
    maxDelayMs: undefined,
    jitter: undefined,
  }
  expect(() => createBackgroundTasks({ timeoutMs: undefined, retry: undefined })).not.toThrow()
  expect(() => createBackgroundTasks({ retry: attempts })).not.toThrow()
})

test('a name that is no option is refused, so that a slip of the pen loses nothing', () => {
  const misspelt = { onErorr: () => {} } as BackgroundTasksOptions
  const refusal = "Cannot create background tasks as there is no option 'onErorr'"
  expect(() => withBackgroundTasks(ok, misspelt)).toThrow(new TypeError(refusal))
  expect(() => createBackgroundTasks(misspelt)).toThrow(new TypeError(refusal))
  expect(() => createBackgroundTasks({ retry: { attempt: 3 } as object })).toThrow("there is no option 'retry.attempt'")
  const task = { name: 'task', run: () => {}, retries: 3 }
  expect(() => defineTask(task)).toThrow("Cannot define the task as there is no option 'retries'")
})

test('the least and the most of every number is accepted', () => {
  const most = 2 ** 31 - 1
  const least = { attempts: 1, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 }
  expect(() => createBackgroundTasks({ timeoutMs: 1, retry: least, concurrency: 1, maxPending: 1 })).not.toThrow()
  expect(() =>
    createBackgroundTasks({ timeoutMs: most, retry: { delayMs: most, maxDelayMs: most, jitter: 1 } }),
  ).not.toThrow()
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

describe("a task's own runOn", () => {
  const outcomes = {
    'a 200': () => ok(),
    'a 404': () => new Response(null, { status: 404 }),
    'a throw': () => {
      throw new Error('no')
    },
  }
  const rules = {
    response: 'response',
    success: 'success',
    always: 'always',
    yes: () => true,
    no: () => false,
    'threw only': ({ threw }: Outcome) => threw,
  } satisfies Record<string, RunOn>
  const run = (): void => {}

  /** How a task of each name ended; those with a rule of their own have its name. */
  async function endsAfter(
    outcome: keyof typeof outcomes,
    options: BackgroundTasksOptions,
    names: readonly (keyof typeof rules | 'none')[],
  ): Promise<unknown> {
    const { call, handler, events } = wrapped((tasks) => {
      for (const name of names) {
        tasks.add(defineTask({ name, run, runOn: name === 'none' ? undefined : rules[name] }))
      }
      return outcomes[outcome]()
    }, options)
    try {
      await call()
    } catch {}
    await handler.drain()
    const ends = endsOf(events)
    expect(ends.length, 'one end for each').toBe(names.length)
    return Object.fromEntries(ends.map(({ task, type }) => [task.name, type === 'succeeded']))
  }

  test.each([
    ['a 200', { response: true, success: true, always: true, yes: true, no: false, 'threw only': false }],
    ['a 404', { response: true, success: false, always: true, yes: true, no: false, 'threw only': false }],
    ['a throw', { response: false, success: false, always: true, yes: true, no: false, 'threw only': true }],
  ] as const)("wins over the wrapper's, in both directions, after %s", async (outcome, expected) => {
    const names = Object.keys(rules) as (keyof typeof rules)[]
    for (const runOn of Object.values(rules)) {
      const ends = await endsAfter(outcome, { runOn }, [...names, 'none'])
      expect(ends).toMatchObject(expected)
    }
  })

  test.each([
    ['success', 'a 404', false],
    ['success', 'a 200', true],
    ['always', 'a throw', true],
    ['response', 'a throw', false],
    ['no', 'a 200', false],
    ['threw only', 'a throw', true],
  ] as const)("leaves the wrapper's '%s' to the others after %s", async (runOn, outcome, runs) => {
    expect(await endsAfter(outcome, { runOn: rules[runOn] }, ['none', 'always'])).toEqual({ none: runs, always: true })
    expect(await endsAfter(outcome, { runOn: rules[runOn] }, ['no', 'none'])).toEqual({ no: false, none: runs })
  })

  test('as a function is asked once for each task, when the list starts, and knows how the response ended', async () => {
    const asked: unknown[] = []
    const runOn = (outcome: Outcome): boolean => {
      asked.push({ ...outcome })
      return true
    }
    const task = defineTask({ name: 'task', runOn, run })
    const { call, handler } = wrapped((tasks) => {
      tasks.add(task)
      tasks.add(task)
      return new Response(null, { status: 202 })
    })
    await call()
    expect(asked).toEqual([])
    await handler.drain()
    const outcome = { status: 202, threw: false, error: undefined, delivery: 'returned' }
    expect(asked).toEqual([outcome, outcome])
  })

  test('as a function is asked also where the adapter does not say how the response ended', async () => {
    const adapter: Adapter = { name: 'terse', afterResponse: (start) => void setImmediate(start as () => void) }
    const task = defineTask({ name: 'task', runOn: () => false, run })
    const { call, handler } = wrapped(
      (tasks) => {
        tasks.add(task)
        return ok()
      },
      { adapter },
    )
    await call()
    expect(await handler.drain()).toMatchObject({ succeeded: 0, discarded: 1 })
  })

  test('as a function is not asked again for another attempt', async () => {
    let asked = 0
    const runOn = (): boolean => asked++ === 0
    const retry = { attempts: 3, delayMs: 0 }
    const task = defineTask({ name: 'task', runOn, retry, run: () => Promise.reject(new Error('no')) })
    const { call, handler, events } = wrapped((tasks) => {
      tasks.add(task)
      return ok()
    })
    await call()
    expect((await handler.drain()).failed).toBe(1)
    expect(events.at(-1)?.attempt).toBe(3)
    expect(asked).toBe(1)
  })

  test('as a function is asked once also after a throw, where the others are discarded before', async () => {
    const asked: unknown[] = []
    const error = new Error('no')
    const runOn = (outcome: Outcome): boolean => asked.push({ ...outcome }) === 1
    const { call, handler, log } = wrapped((tasks) => {
      tasks.add(defineTask({ name: 'asked', runOn, run }))
      tasks.add(function plain() {})
      throw error
    })
    expect(call).toThrow(error)
    expect(log()).toEqual(['added asked', 'added plain', 'discarded plain'])
    expect(asked).toEqual([])
    expect((await handler.drain()).succeeded).toBe(1)
    expect(asked).toEqual([{ status: undefined, threw: true, error, delivery: 'returned' }])
  })

  test('as a function that throws is printed and counts as false, for that task', async () => {
    const runOn = (): never => {
      throw new Error('rule')
    }
    const { call, handler, log } = wrapped((tasks) => {
      tasks.add(defineTask({ name: 'one', runOn, run }))
      tasks.add(defineTask({ name: 'two', run }))
      return ok()
    })
    await call()
    await handler.drain()
    expect(log().slice(2)).toEqual(['discarded one', 'started two', 'succeeded two'])
    expect(takePrinted()).toEqual([expect.stringMatching(/^background-tasks: runOn failed, .+: Error: rule$/)])
  })

  test('lets a task run after a throw, while those without are discarded at once', async () => {
    let list!: BackgroundTasks
    const { call, handler, log, events } = wrapped((tasks) => {
      list = tasks
      tasks.add(defineTask({ name: 'one', run }))
      tasks.add(defineTask({ name: 'logs', runOn: 'always', run }))
      tasks.add(defineTask({ name: 'two', run }))
      tasks.add(defineTask({ name: 'never', runOn: 'success', run }))
      throw new Error('no')
    })
    expect(call).toThrow('no')
    expect(
      list.pending.map(({ name }) => name),
      'synchronously',
    ).toEqual(['logs'])
    expect(list.size).toBe(1)
    expect(await handler.drain()).toMatchObject({ succeeded: 1, discarded: 0 })
    expect(log().slice(4)).toEqual([
      'discarded one',
      'discarded two',
      'discarded never',
      'started logs',
      'succeeded logs',
    ])
    expect(events.filter(({ type }) => type === 'discarded').map(({ reason }) => reason)).toEqual(
      new Array(3).fill('the handler threw'),
    )
    expect(list.pending).toEqual([])
  })

  test('holds for late adds as well', async () => {
    let list!: BackgroundTasks
    const { call, handler, log } = wrapped((tasks) => {
      list = tasks
      throw new Error('no')
    })
    expect(call).toThrow('no')
    for (const name of ['none', 'always', 'no', 'threw only', 'success'] as const) {
      list.add(defineTask({ name, run, runOn: name === 'none' ? undefined : rules[name] }))
    }
    await handler.drain()
    expect(log().filter((line) => /^(succeeded|discarded)/.test(line))).toEqual([
      'discarded none',
      'succeeded always',
      'discarded no',
      'succeeded threw only',
      'discarded success',
    ])
    list.add(defineTask({ name: 'later', run, runOn: 'always' }))
    expect((await handler.drain()).succeeded).toBe(1)
  })

  test('holds for what a task adds', async () => {
    const { call, handler, log } = wrapped((tasks) => {
      const adds = (): void => {
        tasks.add(defineTask({ name: 'inner', run, runOn: 'always' }))
        tasks.add(function plain() {})
      }
      tasks.add(defineTask({ name: 'adds', runOn: 'always', run: adds }))
      throw new Error('no')
    })
    expect(call).toThrow('no')
    await handler.drain()
    expect(log().slice(-3)).toEqual(['started inner', 'succeeded inner', 'discarded plain'])
  })
})
