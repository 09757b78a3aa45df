import { afterEach, expect, test } from 'vitest'
import { bun } from '../../adapters/bun.ts'
import { createBackgroundTasks } from '../../src/index.ts'
import { testAdapter } from '../conformance/adapter.ts'

// What is special to the real host needs it: test/runtimes.
testAdapter(bun(), { delivery: 'returned', matches: false })

afterEach(() => {
  Reflect.deleteProperty(globalThis, 'Bun')
})

test('Bun is known by its global', () => {
  Object.assign(globalThis, { Bun: {} })
  const { tasks } = createBackgroundTasks().open()
  expect(bun().matches?.({ request: undefined, platform: [], tasks, start: 'auto' })).toBe(true)
})
