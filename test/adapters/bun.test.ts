import { describe, expect, test } from 'vitest'
import { bun } from '../../adapters/bun.ts'
import { createBackgroundTasks } from '../../src/index.ts'
import { ok } from '../_wrapped.ts'

// What is special to Bun needs Bun: test/runtimes/bun.test.ts.
describe('the Bun adapter elsewhere', () => {
  test('does not match, and runs the tasks all the same', async () => {
    const background = createBackgroundTasks({ adapter: bun() })
    const { tasks, settle } = background.open()
    expect(bun().matches?.({ request: undefined, platform: [], tasks, start: 'auto' })).toBe(false)
    tasks.add(() => {})
    settle(ok())
    expect((await background.drain()).succeeded).toBe(1)
  })
})
