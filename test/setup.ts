/** An unexpected `console.error` fails the test it happened in; `takePrinted` takes the expected ones. */
import { afterEach, beforeEach, expect } from 'vitest'
import { printed } from './_printed.ts'

const original = console.error

beforeEach(() => {
  printed.length = 0
  console.error = (...line: unknown[]) => void printed.push(line)
})

afterEach(() => {
  console.error = original
  expect(printed.splice(0), 'unexpected console.error').toEqual([])
})
