/** A server with a worker, that is asked to stop while a task runs. Its argument: how long it may take, in milliseconds. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gracefulShutdown } from '../../adapters/node.ts'
import { memory } from '../../adapters/queues/memory.ts'
import { defineTask, withBackgroundTasks } from '../../src/index.ts'

const slow = defineTask({
  name: 'slow',
  run: async (ms: number) => {
    console.log('started')
    await sleep(ms)
    console.log('finished')
  },
})
const queue = memory()
const worker = await queue.work([slow])
const handler = withBackgroundTasks(() => new Response(), { queue })
const server = createServer().listen(0, '127.0.0.1', async () => {
  gracefulShutdown(server, [handler, worker], { timeoutMs: Number(process.argv[2]) })
  console.log('listening', (server.address() as AddressInfo).port)
  await queue.enqueueAll([
    { task: slow, input: 500 },
    { task: slow, input: 500 },
  ])
})
