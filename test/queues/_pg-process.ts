/**
 * A process that enqueues, says on its standard output how that went, and then closes the queue or waits to be killed.
 *
 * Its argument is the JSON of `EnqueuePlan`.
 */
import { once } from 'node:events'
import { defineTask } from '../../src/index.ts'
import { openQueue } from './_open.ts'
import type { EnqueuePlan } from './_pg.ts'

const { kind, url, task: name, count, ms = 0, waits } = JSON.parse(process.argv[2] as string) as EnqueuePlan
const task = defineTask<{ n: number; ms: number }>({ name, run: () => {} })
const queue = await openQueue(kind, url)
try {
  for (let n = 0; n < count; n++) await queue.enqueue(task, { n, ms })
  console.log('enqueued')
} catch (error) {
  console.log(String(error))
}
if (waits) await once(process.stdin, 'data')
process.stdin.destroy()
await queue.close()
