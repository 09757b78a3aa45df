/**
 * Waits until nothing is unsettled; what every `drain` is made of.
 *
 * @module
 */
import { hop } from './adapter.ts'
import type { DrainOptions, DrainReport } from './create-background-tasks.ts'
import type { TaskEnd, TaskInfo } from './observer.ts'
import { checkedPart, type Rules } from './rules.ts'
import { isFunction } from './values.ts'

const rules: Rules = {
  timeoutMs: [Infinity, 'a number of milliseconds, 0 or more', (value) => typeof value === 'number' && value >= 0],
  signal: [undefined, 'an AbortSignal', (value) => isFunction(value?.addEventListener)],
}

/** Those that wait for the same tasks. */
export class Drains {
  readonly #reports = new Set<DrainReport>()
  #waiting: (() => void)[] = []

  /** Tells them of the end of a task. */
  count(end: TaskEnd | 'queued', task: TaskInfo): void {
    if (this.#reports.size === 0) return
    for (const report of this.#reports) {
      if (end === 'abandoned') report.abandoned.push({ id: task.id, name: task.name })
      else if (end !== 'queued') report[end]++
    }
  }

  /** Lets them ask anew whether nothing is left. */
  wake(): void {
    if (this.#waiting.length > 0) for (const wake of this.#waiting.splice(0)) wake()
  }

  /**
   * Waits until `isIdle` says so, or, at the deadline, until `abandon` was called.
   *
   * @throws {TypeError} an option is not what it must be
   */
  async drain(options: DrainOptions, isIdle: () => boolean, abandon: () => void): Promise<DrainReport> {
    // Hooks of hosts, which `drain` may be given to as it is, pass what they like.
    const { timeoutMs, signal } = checkedPart<DrainOptions & { timeoutMs: number }>(rules, options, 'drain')
    const report: DrainReport = { succeeded: 0, failed: 0, discarded: 0, abandoned: [] }
    let over = false
    const end = (): void => {
      over = true
      abandon()
      this.wake()
    }
    signal?.addEventListener('abort', end)
    this.#reports.add(report)
    // Past 2^31-1 ms setTimeout fires at once.
    const timer = timeoutMs < Infinity ? setTimeout(end, Math.min(timeoutMs, 2 ** 31 - 1)) : undefined
    if (signal?.aborted) end()
    // A loop, as whoever awaited the last task may add another.
    while (!isIdle() && !over) {
      await new Promise<void>((wake) => this.#waiting.push(wake))
      await hop()
    }
    clearTimeout(timer)
    signal?.removeEventListener('abort', end)
    this.#reports.delete(report)
    return report
  }
}
