/**
 * A worker that is closed while its server is down. Its argument is the url of that; the end of its standard input tells that
 * it is down.
 */
import { once } from 'node:events'
import { bullmq } from '../../adapters/queues/bullmq.ts'
import { defineTask } from '../../src/index.ts'

const queue = bullmq({ url: process.argv[2] as string, timeoutMs: 3000 })
const gate = Promise.withResolvers<void>()
const running = new Set<string>()
const run = (input: string): Promise<void> => {
  if (running.add(input).size === 2) console.log('running')
  return input === 'ended' ? gate.promise : new Promise(() => {})
}
const task = defineTask({ name: 'task', run })
const idle = defineTask({ name: 'idle', run: () => {} })
const worker = await queue.work([task, idle], {
  concurrency: 2,
  observer: ({ type, task: { id }, reason }) => {
    if (type !== 'started') console.log(`${id} ${type}: ${reason}`)
  },
})
await queue.enqueueAll(['ended', 'hanging'].map((id) => ({ task, input: id, options: { id } })))

process.stdin.resume()
await once(process.stdin, 'end')
gate.resolve()
const { abandoned } = await worker.close({ timeoutMs: 200 })
console.log(`closed: ${abandoned.map(({ id }) => id)}`)
await queue.close()
