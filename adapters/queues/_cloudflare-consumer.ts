/**
 * The handler that Cloudflare gives batches of messages to.
 *
 * @module
 */
import { startTimer, stopTimer } from '../../src/adapter.ts'
import type { Task } from '../../src/define-task.ts'
import type { OnError } from '../../src/options.ts'
import type { WorkOptions } from '../../src/queue.ts'
import { checked, milliseconds, type Rules } from '../../src/rules.ts'
import { Batch, type BatchHost } from './_cloudflare-batch.ts'
import type { MessageBatchLike } from './_cloudflare-message.ts'
import { within } from './_deadline.ts'
import { checkTasks } from './_intake.ts'
import { Worker, type WorkSettings, workRules } from './_worker.ts'

/** Options of `consumer`. */
export interface ConsumerOptions extends Omit<WorkOptions, 'concurrency'> {
  /**
   * How many messages of a batch run at once. Cloudflare hears of none of them before the last one has ended, so the default
   * lets all of an ordinary batch run together.
   *
   * @default 10
   */
  readonly concurrency?: number | undefined
  /**
   * How long a batch may take, in milliseconds: 1 to 2^31-1. Then the signals of what still runs are aborted, that is
   * reported as `abandoned`, and it is retried at once, as is what has not started. Cloudflare itself ends the invocation
   * after 15 minutes, and with it the messages that were done.
   *
   * @default 840_000 (14 minutes)
   */
  readonly batchTimeoutMs?: number | undefined
}

const rules: Rules = {
  ...workRules,
  concurrency: [10, 'a positive integer', (value) => Number.isInteger(value) && value > 0],
  batchTimeoutMs: milliseconds(14 * 60_000, 1),
}

/**
 * Makes the Worker's `queue` handler.
 *
 * @throws {TypeError} the tasks or an option are not what they must be
 */
export function consumerOf(
  host: BatchHost & { readonly onError: OnError },
  tasks: readonly Task[],
  options: ConsumerOptions = {},
): (batch: MessageBatchLike) => Promise<void> {
  checkTasks(tasks, 'consume')
  const settings = checked<WorkSettings & { readonly batchTimeoutMs: number }>(rules, options, 'consume')
  const { concurrency, batchTimeoutMs } = settings
  const failed = options.onError ?? host.onError
  const known = new Map(tasks.map((task) => [task.name, task]))
  return async ({ messages }) => {
    const reports: unknown[] = []
    const onError: OnError = (error, task) => {
      const report = failed(error, task)
      reports.push(report)
      return report
    }
    const worker = new Worker(host, { ...settings, onError })
    const batch = new Batch(host, known, worker)
    const timer = startTimer(() => worker.close({ timeoutMs: 0 }), batchTimeoutMs)
    const rest = messages.values()
    const takeAll = async (): Promise<void> => {
      for (const message of rest) await batch.take(message)
    }
    try {
      await Promise.all(Array.from({ length: Math.min(concurrency, messages.length) }, takeAll))
    } finally {
      stopTimer(timer)
    }
    // Nothing lives on when the handler has ended.
    if (reports.length > 0) await within(host.timeoutMs, Promise.allSettled(reports)).catch(() => {})
  }
}
