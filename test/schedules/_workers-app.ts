/** A Worker with schedules of every kind, which tells what ran. */
import { cloudflare, type MessageBatchLike, type QueueLike } from '../../adapters/queues/cloudflare.ts'
import { type ExecutionContextLike, type ScheduledControllerLike, workers } from '../../adapters/schedules/workers.ts'
import { defineTask, type TaskContext, type TaskEvent } from '../../src/index.ts'

interface Env {
  readonly TASKS: QueueLike
}
/** Of the last event: here a binding is known no sooner. */
let env: Env

const log: string[] = []

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const run = async (input: string, { id, name, attempt }: TaskContext): Promise<void> => {
  // A mere promise would keep no invocation alive.
  await sleep(100)
  log.push(`ran ${name} ${input} (${id}, attempt ${attempt})`)
}
const report = defineTask({ name: 'report', run })
const flaky = defineTask({
  name: 'flaky',
  retry: { attempts: 2, delayMs: 50, jitter: 0 },
  async run(input: string, context) {
    await run(input, context)
    if (context.attempt === 1) throw new Error('not yet')
  },
})
const failing = defineTask({
  name: 'failing',
  async run(input: string, context) {
    await run(input, context)
    throw new Error('out of paper')
  },
})

const options = {
  observer: ({ type, task }: TaskEvent) => void log.push(`${type} ${task.name}`),
  onError: (error: unknown, { name }: { name: string }) => void log.push(`onError ${name} ${error}`),
}
const queue = cloudflare({ queue: () => env.TASKS })
const consume = queue.consumer([report], options)
const inProcess = workers(
  [
    { task: report, cron: '0 3 * * *', input: 'daily' },
    { task: report, cron: '0 3 * * *', input: 'daily too', key: 'second' },
    { task: report, cron: '*/5 * * * MON-FRI', input: 'often', key: 'often' },
    { task: flaky, cron: '1 * * * *', input: 'x' },
    { task: failing, cron: '2 * * * *', input: 'x' },
  ],
  options,
)
const queued = workers([{ task: report, cron: '59 23 LW * *', input: 'queued' }], { queue, ...options })

export default {
  async fetch(): Promise<Response> {
    return Response.json(log.splice(0))
  },
  async scheduled(controller: ScheduledControllerLike, given: Env, ctx: ExecutionContextLike): Promise<void> {
    env = given
    if (controller.cron === '59 23 LW * *') await queued(controller, given, ctx)
    // Not waited for.
    else if (controller.cron.includes('5')) inProcess(controller, given, ctx)
    else await inProcess(controller, given, ctx)
    log.push('handled')
  },
  async queue(batch: MessageBatchLike, given: Env): Promise<void> {
    env = given
    await consume(batch)
  },
}
