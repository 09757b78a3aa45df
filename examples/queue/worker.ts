/**
 * Runs tasks in a process of its own: QUEUE=postgres npm run worker. (A folder on disk has one process, which is the server.)
 */
import { queue } from './queue.ts'
import { compute } from './tasks.ts'

const worker = await queue.work([compute], { concurrency: 2 })
console.log(`working on tasks of ${queue.name}`)

process.once('SIGTERM', async () => {
  await worker.close({ timeoutMs: 8000 })
  await queue.close()
})
