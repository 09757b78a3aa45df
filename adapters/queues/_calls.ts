/**
 * Calls of an engine: in time, and with one kind of error.
 *
 * @module
 */
import { QueueError } from '../../src/errors.ts'
import type { QueueFeature } from '../../src/queue.ts'
import { within } from './_deadline.ts'
import type { Deadline, Engine } from './_engine.ts'
import { errorOf } from './_json.ts'

export class EngineCalls<Transaction> {
  readonly #engine: Engine<Transaction>
  readonly #timeoutMs: number
  readonly #pending: Set<Promise<unknown>> = new Set()
  #wasOpen = false
  #isClosed = false

  constructor(engine: Engine<Transaction>, timeoutMs: number) {
    this.#engine = engine
    this.#timeoutMs = timeoutMs
  }

  /**
   * Opens the engine, then calls it, both before the deadline.
   *
   * @param mayRefuse whether a TypeError is its judgement of the arguments
   */
  async call<R>(what: string, work: (deadline: Deadline) => Promise<R>, mayRefuse = false): Promise<R> {
    this.checkOpen(what)
    try {
      const { openingMs } = this.#engine
      if (openingMs && !this.#wasOpen) await within(openingMs, (deadline) => this.#engine.open(deadline))
      // That may have been long, and nobody waited for it.
      this.checkOpen(what)
      return await this.#finished(
        within(this.#timeoutMs, async (deadline) => {
          await this.#engine.open(deadline)
          this.#wasOpen = true
          deadline.signal.throwIfAborted()
          return work(deadline)
        }),
      )
    } catch (cause) {
      const { message, name } = errorOf(cause)
      // By name: an engine may come from another copy of the package.
      if (name === 'QueueError' || (mayRefuse && cause instanceof TypeError)) throw cause
      const { name: queue } = this.#engine
      throw new QueueError(`Cannot ${what} as the queue '${queue}' is down or refuses: ${message || name}`, { cause })
    }
  }

  /** Has `close` wait for a call. */
  async #finished<R>(call: Promise<R>): Promise<R> {
    this.#pending.add(call)
    try {
      return await call
    } finally {
      this.#pending.delete(call)
    }
  }

  /** A method of the engine, if it has that. */
  have<M>(method: M | undefined, feature: QueueFeature): M {
    const { name, lacks } = this.#engine
    const reason = lacks[feature]
    if (method && reason === undefined) return method
    throw new QueueError(`Cannot ${feature} with the queue '${name}': ${reason}`)
  }

  /** @throws {QueueError} it is closed */
  checkOpen(what: string): void {
    if (this.#isClosed) throw new QueueError(`Cannot ${what} as the queue '${this.#engine.name}' is closed`)
  }

  /** Refuses every call from now on. */
  refuse(): void {
    this.#isClosed = true
  }

  /** Closes the engine, if it does so in time. */
  async close(): Promise<void> {
    // Each has its deadline. Without an answer they would reject, though the engine may have what they sent.
    await Promise.allSettled(this.#pending)
    await within(this.#timeoutMs, () => this.#engine.close()).catch(() => {})
  }
}
