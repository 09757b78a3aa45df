/**
 * A worker in a process of its own. It says on its standard output what it runs, and obeys one-line commands.
 *
 * Its argument is the JSON of `WorkerPlan`.
 */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineTask } from '../../src/index.ts'
import { openQueue } from './_open.ts'
import type { Said, WorkerPlan } from './_worker.ts'

const { kind, url, task: name, concurrency, cron, attempts } = JSON.parse(process.argv[2] as string) as WorkerPlan
const say = (said: Said): void => void process.stdout.write(`${JSON.stringify(said)}\n`)

const task = defineTask({
  name,
  ...(attempts && { retry: { attempts, delayMs: 10 } }),
  run: async (input: { n: number; ms: number } | 'tick', { id, attempt }) => {
    const n = input === 'tick' ? -1 : input.n
    say({ type: 'start', n, id, attempt, at: Date.now() })
    if (input !== 'tick' && input.ms > 0) await sleep(input.ms)
    say({ type: 'done', n, id, attempt, at: Date.now() })
  },
})

// The suites share two processors with the servers that they kill.
const queue = await openQueue(kind, url, { timeoutMs: 15_000 })
if (cron) await queue.schedule(task, cron, 'tick')
const worker = await queue.work([task], {
  concurrency,
  onError: (error) => say({ type: 'error', message: String(error) }),
})
say({ type: 'ready' })

for await (const line of createInterface({ input: process.stdin })) {
  if (line !== 'close') continue
  const { abandoned } = await worker.close({ timeoutMs: 5000 })
  await queue.close()
  say({ type: 'closed', abandoned: abandoned.length })
  break
}
process.stdin.destroy()
