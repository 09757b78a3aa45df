import { spawned } from './_start.ts'
import { testRuntime } from './_suite.ts'

testRuntime(() => spawned('.bin/bun', ['_bun.ts']), {
  delivery: 'returned',
  abortedBefore: 'returned',
  abortedDuring: 'aborted',
  addInBody: false,
  largestBody: 1,
  closes: true,
})
