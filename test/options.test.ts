import { describe, expect, test } from 'vitest'
import { node } from '../adapters/node.ts'
import { type BackgroundTasksOptions, createBackgroundTasks, withBackgroundTasks } from '../src/index.ts'
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
])("the option '%s' must be %s", (name, rest, value) => {
  const options = { [name]: value } as BackgroundTasksOptions
  const message = `Cannot create background tasks as '${name}' must be ${rest}`
  expect(() => createBackgroundTasks(options)).toThrow(new TypeError(message))
  expect(() => withBackgroundTasks(ok, options)).toThrow(new TypeError(message))
})

test('options that are no object are refused', () => {
  expect(() => withBackgroundTasks(ok, null as never)).toThrow("'options' must be an object: current value is null")
})

test('undefined stands for the default of every option', () => {
  const options = { adapter: undefined, runOn: undefined, start: undefined, concurrency: undefined, onError: undefined }
  expect(withBackgroundTasks(ok, options)(new Request('http://localhost/'))).toBeInstanceOf(Response)
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
