import { workerd } from './_start.ts'
import { testRuntime } from './_suite.ts'

testRuntime(workerd, {
  delivery: 'returned',
  abortedBefore: 'returned',
  abortedDuring: 'aborted',
  addInBody: false,
  largestBody: 1,
  closes: false,
})
