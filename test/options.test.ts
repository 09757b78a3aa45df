import { expect, test } from 'vitest'
import { node } from '../adapters/node.ts'
import { type BackgroundTasksOptions, createBackgroundTasks, withBackgroundTasks } from '../src/index.ts'
import { ok } from './_wrapped.ts'

test.each<[string, unknown, string]>([
  ['adapter', node, 'an adapter such as node() or workers(): current value is function node'],
  ['runOn', 'succes', `'response', 'success', 'always' or a function: current value is "succes"`],
  ['start', 'end', `'auto', 'response', 'body': current value is "end"`],
  ['concurrency', 0, 'a positive integer or Infinity: current value is 0'],
  ['concurrency', 1.5, 'a positive integer or Infinity: current value is 1.5'],
  ['concurrency', '2', 'a positive integer or Infinity: current value is "2"'],
  ['stopOnError', 'yes', 'a boolean: current value is "yes"'],
  ['maxPending', Number.NaN, 'a positive integer or Infinity: current value is NaN'],
  ['onError', null, 'a function: current value is null'],
  ['observer', {}, 'a function: current value is [object Object]'],
])('the option %s refuses %s in one sentence', (name, value, rest) => {
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
