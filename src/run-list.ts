/**
 * One run of a list: order, concurrency, fairness, isolation, and what is told of each task.
 *
 * @module
 */
import { type Delivery, hop, type Outcome } from './adapter.ts'
import { type BackgroundTasks, begin, leave, refusalOf } from './background-tasks.ts'
import type { Scope } from './create-background-tasks.ts'
import type { Entry } from './entry.ts'
import { append, dropEnded, type EntryQueue, entriesOf, take } from './entry-queue.ts'
import { giveWay, isTurnOver, type Turn } from './fairness.ts'
import { report, type TaskEnd, type TaskEvent, tell } from './observer.ts'
import { disposeAll } from './resource.ts'
import { runTask } from './run-task.ts'
import { newGate } from './values.ts'

const STOPPED = 'an earlier task failed (stopOnError)'

/**
 * From a list's first `add` until it is empty. Each entry has one reaction in a chain of promises: a reaction runs in the
 * async context of its `then` call, which is the context of that task's `add`.
 */
export class Run implements EntryQueue, Turn {
  readonly scope: Scope
  size = 0
  firstUnended: Entry | undefined
  next: Entry | undefined
  last: Entry | undefined
  tasksThisTurn = 0
  turnStart = 0
  /** Its place among the runs of the scope, while it is one of them. */
  index = 0
  /** How the request ended; set when the first of its tasks may start. */
  outcome: Outcome | undefined
  #tasks: BackgroundTasks | undefined
  #release: (() => void) | undefined
  #chain: Promise<unknown>
  #active = 0
  #slotFree: (() => void) | undefined
  #stopped = false
  #resources: object[] | undefined

  /** Its tasks may start when the gate opens. */
  constructor(scope: Scope, tasks: BackgroundTasks, gate: Promise<Delivery>) {
    this.scope = scope
    this.#tasks = tasks
    this.#chain = gate
  }

  /** Settles one turn after the run is over, so that whoever awaited the last task may still add another. */
  work(): Promise<void> {
    const { promise, open } = newGate()
    this.#release = open
    return promise.then(hop)
  }

  push(entry: Entry): void {
    // A run that only its resources keep open starts clean.
    this.#stopped &&= this.size > 0
    append(this, entry)
    this.scope.unsettled++
    // Before anybody is told, who may add another.
    this.#chain = this.#chain.then(this.#step)
    tell(this, entry, 'added')
  }

  /** Keeps a resource until the last task has ended. Where there is none, it goes in the async context of this call. */
  keep<R extends object>(resource: R): R {
    if (!this.#resources) this.#chain.then(() => void (this.size === 0 && this.#dispose()))
    this.#resources = [...(this.#resources ?? []), resource]
    return resource
  }

  /**
   * Ends a task, once: what comes after (the late result of an abandoned task) is ignored. One that is queued ends
   * elsewhere, and is told there.
   */
  end(entry: Entry, type: TaskEnd | 'queued', detail?: Partial<TaskEvent>): void {
    if (entry.ended) return
    // First of all: whoever is told may end the rest, and must not meet this one again.
    entry.ended = true
    this.scope.count(type, entry)
    if (type !== 'queued') tell(this, entry, type, detail)
    dropEnded(this)
    if (type === 'failed') {
      this.#stopped ||= this.scope.options.stopOnError
      report(this.scope, detail?.error, entry)
    }
    // What never started holds no slot.
    if (entry.attempt > 0 && this.#active-- > 0) this.#slotFree?.()
    if (--this.size === 0) this.#emptied()
    entry.work = entry.args = entry.policy = undefined
  }

  /** Ends what has not started, or that part of it for which there is a reason. */
  discard(reasonOf: (entry: Entry, tasks: BackgroundTasks) => string | undefined): void {
    for (const entry of entriesOf(this, 'pending')) {
      const reason = !entry.ended && reasonOf(entry, this.#tasks as BackgroundTasks)
      if (reason) this.end(entry, 'discarded', { reason })
    }
  }

  /** Ends all, at a deadline. What is added from now on starts a fresh run, as this one may hang in its task. */
  abandon(reason: string): void {
    const entries = entriesOf(this, 'unsettled')
    const resources = this.#resources
    this.#resources = undefined
    this.#leave()
    for (const entry of entries) {
      entry.policy?.stop?.(new DOMException(reason, 'AbortError'))
      this.end(entry, 'abandoned', { reason })
    }
    disposeAll(resources, this.scope).then(() => this.#release?.())
  }

  /** Resources go after the response, and one turn late, as whoever awaited the last task may add another. */
  #emptied(): void {
    if (!this.#resources) this.#close()
    else if (this.outcome) this.#dispose()
  }

  async #dispose(): Promise<void> {
    await hop()
    const resources = this.#resources
    if (this.size > 0 || !resources) return
    this.#resources = undefined
    if (this.#tasks) leave(this.#tasks, this)
    await disposeAll(resources, this.scope)
    this.#close()
  }

  #close(): void {
    this.#leave()
    this.#release?.()
  }

  #leave(): void {
    if (!this.#tasks) return
    leave(this.#tasks, this)
    // A task that hangs keeps its run for ever, which must not keep the request.
    this.#tasks = undefined
    this.scope.leave(this)
  }

  /** The reaction of one entry. The next one waits for what it returns; the first is given what the gate was opened with. */
  readonly #step = (delivery?: unknown): void | Promise<void> => {
    if (!this.outcome && this.#tasks) this.outcome = begin(this.#tasks, delivery as Delivery | undefined)
    if (isTurnOver(this)) return giveWay().then(this.#step)
    const entry = take(this)
    if (entry.ended) return
    const reason = this.#stopped ? STOPPED : refusalOf(entry, this.#tasks as BackgroundTasks)
    if (reason) this.end(entry, 'discarded', { reason })
    if (entry.ended) return
    this.#active++
    runTask(entry, this)
    if (this.#active < this.scope.options.concurrency) return
    return new Promise((free) => {
      this.#slotFree = free
    })
  }
}
