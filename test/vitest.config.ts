import { defineConfig } from 'vitest/config'

const engines = ['test/queues/*.test.ts', 'test/schedules/*.test.ts']
const common = {
  root: new URL('..', import.meta.url).pathname,
  setupFiles: ['test/setup.ts'],
  testTimeout: 30_000,
  hookTimeout: 60_000,
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'one by one',
          include: ['test/**/*.test.ts'],
          exclude: engines,
          // Timings are asserted, and these machines have few cores.
          maxWorkers: 1,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'engines',
          include: engines,
          // They wait for leases and ticks most of the time.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
