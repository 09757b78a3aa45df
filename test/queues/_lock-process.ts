/** A process that tries to lock each directory that a line of its standard input names, and answers `true` or `false`. */
import { createInterface } from 'node:readline'
import { lock } from '../../adapters/queues/_pglite-lock.ts'

for await (const directory of createInterface({ input: process.stdin })) {
  const isLocked = await lock(directory).then(
    () => true,
    (error: Error) => {
      if (error.name === 'QueueError') return false
      throw error
    },
  )
  console.log(isLocked)
}
