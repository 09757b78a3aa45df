/** Uses threads on a real runtime, and prints what came of it; ends by itself although its threads would idle for days. */
import { setTimeout } from 'node:timers/promises'
import { defineTask, withBackgroundTasks } from 'background-tasks'
import { detached } from 'background-tasks/detached'
import { inThread } from 'background-tasks/threads'

const options = { threads: 1, idleTimeoutMs: 2 ** 31 - 1 }
const perform = inThread(new URL('./_threads-program-work.js', import.meta.url), 'perform', options)
const message = (error) => error.message

let ticks = 0
const timer = setInterval(() => ticks++, 10)
console.log('burns:', await perform('burn', 500))
clearInterval(timer)
console.log('ticks:', ticks >= 10)

console.log('fails:', await perform('fails').catch(({ name, message }) => `${name} ${message}`))
console.log('not cloned:', await perform('burn', () => {}).catch(({ name }) => name))
console.log('exits:', await perform('exits').catch(message))
console.log('crashes:', await perform('crashes').catch(message))

const counter = new Int32Array(new SharedArrayBuffer(4))
const count = defineTask({
  name: 'count',
  timeoutMs: 400,
  run: inThread(new URL('./_threads-program-work.js', import.meta.url), 'count', options),
})
const handler = withBackgroundTasks(
  (_request, tasks) => {
    tasks.add(count, counter)
    return new Response()
  },
  { adapter: detached(), onError: (error) => console.log('times out:', error.name) },
)
await handler(new Request('http://localhost/'))
await handler.drain()
let last = -1
for (let turns = 0; turns < 30 && last !== counter[0]; turns++) {
  last = counter[0]
  await setTimeout(100)
}
console.log('counted:', counter[0] > 0, 'and stopped:', counter[0] === last)

perform('burn', 60_000).catch(() => {})
const { abandoned } = await perform.drain({ timeoutMs: 100 })
console.log('abandoned:', abandoned.map(({ name }) => name).join())
console.log('after a drain:', await perform('burn', 0))
