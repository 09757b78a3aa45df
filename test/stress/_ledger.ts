/** Keeps account of tasks and resources: numbers, and the ids of what has not ended, so that memory stays flat. */
import type { TaskEvent } from 'background-tasks'
import { endOf } from './_faulty-tasks.ts'

export interface Counts {
  added: number
  succeeded: number
  failed: number
  discarded: number
  abandoned: number
  retrying: number
  /** Tasks that started after a client had left. */
  afterAbort: number
  /** Calls of `onError`. */
  errors: number
  resources: number
  disposed: number
  /** Disposals that threw. */
  disposalsFailed: number
}

export class Ledger {
  readonly counts: Counts = {
    added: 0,
    succeeded: 0,
    failed: 0,
    discarded: 0,
    abandoned: 0,
    retrying: 0,
    afterAbort: 0,
    errors: 0,
    resources: 0,
    disposed: 0,
    disposalsFailed: 0,
  }
  /** What must not be, the first of it. */
  readonly problems: string[] = []
  /** Ids of tasks that have not ended. */
  readonly #open = new Set<string>()

  get open(): number {
    return this.#open.size
  }

  problem(text: string): void {
    if (this.problems.length < 20) this.problems.push(text)
  }

  /** The observer of a wrapper that gives its tasks so many attempts, and may abandon them. */
  observer(attempts: number, mayAbandon: boolean): (event: TaskEvent) => void {
    return ({ type, task, attempt, delivery }) => {
      const { counts } = this
      const wrong = (what: string): void => this.problem(`task '${task.name}' ${what} (${type}, attempt ${attempt})`)
      if (type === 'added') {
        counts.added++
        if (this.#open.has(task.id)) wrong('was added twice')
        this.#open.add(task.id)
        return
      }
      if (!this.#open.has(task.id)) wrong('was told of after its end, or before it was added')
      if (type === 'started') {
        if (attempt === 1 && delivery === 'aborted') counts.afterAbort++
        return
      }
      counts[type]++
      if (type === 'retrying') return
      this.#open.delete(task.id)
      const expected = endOf(task.name, attempts)
      if (type === 'abandoned') {
        if (!mayAbandon) wrong('was abandoned without a deadline')
      } else if (attempt === undefined) {
        if (type !== 'discarded') wrong('ended without having started')
      } else if (type !== expected.end || attempt !== expected.attempt) wrong('ended otherwise than it had to')
    }
  }

  /** A resource, which has to be disposed of once; every fifth throws then. */
  resource(): Disposable | AsyncDisposable {
    const { counts } = this
    const number = ++counts.resources
    let disposed = 0
    const dispose = (): void => {
      counts.disposed++
      if (++disposed > 1) this.problem(`resource ${number} was disposed of ${disposed} times`)
      if (number % 5 > 0) return
      counts.disposalsFailed++
      throw new Error('a disposal failed')
    }
    return number % 2 ? { [Symbol.dispose]: dispose } : { [Symbol.asyncDispose]: async () => dispose() }
  }
}
