import { spawned } from './_start.ts'
import { testRuntime } from './_suite.ts'

testRuntime(
  () => spawned('.bin/deno', ['run', '--no-config', '--node-modules-dir=manual', '--allow-net=127.0.0.1', '_deno.ts']),
  {
    delivery: 'flushed',
    abortedBefore: 'flushed',
    abortedDuring: 'flushed',
    addInBody: true,
    largestBody: 1,
    closes: true,
  },
)
