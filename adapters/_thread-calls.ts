/**
 * The calls of one function, which can be waited for.
 *
 * @module
 */
import { hop } from '../src/adapter.ts'
import type { DrainOptions, DrainReport } from '../src/create-background-tasks.ts'
import type { TaskEnd } from '../src/observer.ts'
import { refuse } from '../src/rules.ts'
import type { ThreadCall, ThreadPool } from './_thread-pool.ts'

export class ThreadCalls {
  readonly #pool: ThreadPool
  readonly #unsettled: Set<ThreadCall> = new Set()
  readonly #reports: Set<DrainReport> = new Set()
  #idle: (() => void)[] = []

  constructor(pool: ThreadPool) {
    this.#pool = pool
  }

  async run(call: ThreadCall): Promise<unknown> {
    this.#unsettled.add(call)
    try {
      const result = await this.#pool.run(call)
      this.#end(call, 'succeeded')
      return result
    } catch (error) {
      this.#end(call, 'failed')
      throw error
    }
  }

  async drain({ timeoutMs = Infinity, signal }: DrainOptions = {}): Promise<DrainReport> {
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
      refuse('timeoutMs', 'a number of milliseconds, 0 or more', timeoutMs, 'drain')
    }
    const report: DrainReport = { succeeded: 0, failed: 0, discarded: 0, abandoned: [] }
    let over = false
    const abandon = (): void => {
      over = true
      for (const call of [...this.#unsettled]) this.#abandon(call)
      this.#wake()
    }
    // First, as a signal that is none is refused here.
    signal?.addEventListener('abort', abandon)
    this.#reports.add(report)
    // Past 2^31-1 ms setTimeout fires at once.
    const timer = timeoutMs < Infinity ? setTimeout(abandon, Math.min(timeoutMs, 2 ** 31 - 1)) : undefined
    if (signal?.aborted) abandon()
    while (this.#unsettled.size > 0 && !over) {
      await new Promise<void>((wake) => this.#idle.push(wake))
      await hop()
    }
    clearTimeout(timer)
    signal?.removeEventListener('abort', abandon)
    this.#reports.delete(report)
    // Those abandoned leave the pool meanwhile.
    await hop()
    await this.#pool.close()
    return report
  }

  #abandon(call: ThreadCall): void {
    this.#end(call, 'abandoned')
    call.controller.abort(new DOMException('drain reached its deadline', 'AbortError'))
  }

  #end(call: ThreadCall, end: TaskEnd): void {
    if (!this.#unsettled.delete(call)) return
    for (const report of this.#reports) {
      if (end === 'abandoned') report.abandoned.push({ id: call.id, name: call.name })
      else report[end]++
    }
    if (this.#unsettled.size === 0) this.#wake()
  }

  #wake(): void {
    for (const wake of this.#idle.splice(0)) wake()
  }
}
