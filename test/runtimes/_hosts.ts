import type { Host } from './_suite.ts'

/** Node, in every version. */
export const node: Host = {
  delivery: 'flushed',
  abortedBefore: 'aborted',
  abortedDuring: 'aborted',
  addInBody: true,
  largestBody: 5,
  closes: true,
}
