/**
 * One attempt of a task: its signal, its time limit, and the end that counts.
 *
 * @module
 */
import { startTimer, stopTimer } from './adapter.ts'
import { guarded, TaskTimeoutError } from './errors.ts'

/** What comes after its end is ignored: the late result of an attempt that was stopped, or took too long. */
export class Attempt {
  readonly #controller: AbortController | undefined
  #timer: unknown
  #isOver = false

  constructor(controller: AbortController | undefined) {
    this.#controller = controller
  }

  /** Calls the task, and tells how that ended. */
  run(
    call: () => unknown,
    name: string,
    timeoutMs: number | undefined,
    succeed: (result: unknown) => void,
    fail: (error: unknown) => void,
  ): void {
    const failed = (error: unknown): void => {
      if (this.#end()) fail(error)
    }
    if (timeoutMs) {
      const exceed = (): void => {
        const error = new TaskTimeoutError(`Task '${name}' took longer than ${timeoutMs} ms`)
        this.#abort(error)
        failed(error)
      }
      this.#timer = startTimer(exceed, timeoutMs)
    }
    try {
      // Promise.resolve is what tames a thenable: it may settle twice, or throw from `then`.
      Promise.resolve(call()).then((result) => {
        if (this.#end()) succeed(result)
      }, failed)
    } catch (error) {
      failed(error)
    }
  }

  /** Ends it from outside. */
  stop(reason: unknown): void {
    this.#end()
    this.#abort(reason)
  }

  /** Whether that was the end. */
  #end(): boolean {
    const wasOver = this.#isOver
    this.#isOver = true
    stopTimer(this.#timer)
    return !wasOver
  }

  #abort(reason: unknown): void {
    // workerd throws what a listener throws.
    guarded('abort listener failed', () => this.#controller?.abort(reason))
  }
}
