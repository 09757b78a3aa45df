/**
 * A pool of threads: how many calls run at once, and what becomes of them when a thread dies.
 *
 * @module
 */
import { print } from '../src/errors.ts'
import type { TaskInfo } from '../src/observer.ts'
import { unpacked } from './_thread-error.ts'
import type { ThreadJob } from './_thread-worker.ts'

/** The part of piscina that is used. */
export interface PiscinaLike {
  readonly threads: readonly unknown[]
  run(job: ThreadJob, options: { signal: AbortSignal }): Promise<unknown>
  on(event: 'error', listener: (error: unknown) => void): unknown
  destroy(): Promise<void>
}

/** One call. */
export interface ThreadCall extends TaskInfo {
  readonly job: ThreadJob
  /** Ends it, and its thread. */
  readonly controller: AbortController
}

export class ThreadPool {
  readonly #open: () => Promise<PiscinaLike>
  readonly #threads: number
  readonly #running: Set<ThreadCall> = new Set()
  readonly #waiting: Set<() => void> = new Set()
  #piscina: Promise<PiscinaLike> | undefined

  constructor(open: () => Promise<PiscinaLike>, threads: number) {
    this.#open = open
    this.#threads = threads
  }

  /** Runs a call once a thread is free. Rejects with what it threw, or with what its signal was aborted with. */
  async run(call: ThreadCall): Promise<unknown> {
    const { signal } = call.controller
    signal.throwIfAborted()
    if (this.#running.size < this.#threads) this.#running.add(call)
    else await this.#turn(call, signal)
    try {
      const piscina = await (this.#piscina ??= this.#watched())
      return await piscina.run(call.job, { signal })
    } catch (error) {
      throw signal.aborted ? signal.reason : failure(error, call)
    } finally {
      this.#running.delete(call)
      for (const next of [...this.#waiting].slice(0, 1)) next()
    }
  }

  /** Ends the threads, unless one of them is at work. */
  async close(): Promise<void> {
    const piscina = this.#piscina
    if (!piscina || this.#running.size > 0) return
    this.#piscina = undefined
    await (await piscina).destroy()
  }

  /** Not piscina's own queue, which stands still for ever where the last thread dies of a call, or is aborted. */
  #turn(call: ThreadCall, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const next = (): void => {
        this.#waiting.delete(next)
        this.#running.add(call)
        resolve()
      }
      this.#waiting.add(next)
      signal.addEventListener('abort', () => {
        if (this.#waiting.delete(next)) reject(signal.reason)
      })
    })
  }

  async #watched(): Promise<PiscinaLike> {
    try {
      const piscina = await this.#open()
      piscina.on('error', (error) => {
        if (this.#running.size === 0) print('a thread failed when no call was running', error)
        // Without any thread left, what runs still waits for one that could not be started.
        else if (piscina.threads.length === 0) for (const { controller } of this.#running) controller.abort(error)
      })
      return piscina
    } catch (error) {
      this.#piscina = undefined
      throw error
    }
  }
}

/** The error of a call: what it threw comes packed, the others are piscina's. */
function failure(error: any, { name }: TaskInfo): unknown {
  if (!(error instanceof Error)) return unpacked(error)
  if (error.name !== 'DataCloneError') return error
  return new DOMException(
    `Cannot call '${name}' in a thread as an argument cannot be cloned: ${error.message}`,
    error.name,
  )
}
