/**
 * The calls of one function, which can be waited for.
 *
 * @module
 */
import { hop } from '../src/adapter.ts'
import type { DrainOptions, DrainReport } from '../src/create-background-tasks.ts'
import { Drains } from '../src/drain.ts'
import type { TaskEnd } from '../src/observer.ts'
import type { ThreadCall, ThreadPool } from './_thread-pool.ts'

export class ThreadCalls {
  readonly #pool: ThreadPool
  readonly #unsettled: Set<ThreadCall> = new Set()
  readonly #drains = new Drains()

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

  async drain(options: DrainOptions = {}): Promise<DrainReport> {
    const report = await this.#drains.drain(
      options,
      () => this.#unsettled.size === 0,
      () => {
        for (const call of [...this.#unsettled]) this.#abandon(call)
      },
    )
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
    this.#drains.count(end, call)
    if (this.#unsettled.size === 0) this.#drains.wake()
  }
}
