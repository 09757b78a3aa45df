/**
 * One run of a list: order, concurrency, fairness, isolation.
 *
 * @module
 */
import { afterMacrotask, type Delivery } from './adapter.ts'
import type { Scope } from './create-background-tasks.ts'
import type { TaskEnd } from './observer.ts'
import { type Entry, endTask, type Place, runTask, tell } from './run-task.ts'

/** How long, and how many tasks, a chain may hold the event loop. The count is for hosts whose clock stands still. */
const BURST_MS = 5
const BURST_TASKS = 64

/**
 * From a list's first `add` until it is empty. The entries are a linked list, and each has one reaction in a chain of
 * promises: a reaction runs in the async context of its `then` call, which is the context of that task's `add`.
 */
export class Run implements Place {
  readonly scope: Scope
  delivery: Delivery | undefined = undefined
  /** Tasks added and not yet ended. */
  size = 0
  /** Lets the tasks start. */
  open!: () => void

  readonly #onEmpty: () => void
  #chain: Promise<void>
  /** The first task that may not have ended, the next to start, and the last. */
  #first: Entry | undefined = undefined
  #next: Entry | undefined = undefined
  #last: Entry | undefined = undefined
  #active = 0
  #slotFree: (() => void) | undefined = undefined
  #burstTasks = 0
  #burstStart = 0
  #stopped = false

  constructor(scope: Scope, onEmpty: () => void) {
    this.scope = scope
    this.#onEmpty = onEmpty
    this.#chain = new Promise((resolve) => {
      this.open = resolve
    })
  }

  push(entry: Entry): void {
    if (this.#last) this.#last.next = entry
    this.#last = entry
    this.#first ??= entry
    this.#next ??= entry
    this.size++
    tell(entry, this, 'added')
    this.#chain = this.#chain.then(this.#step)
  }

  /** The tasks that have not ended, or not even started, in order of adding. */
  *entries(which: 'unsettled' | 'pending'): Generator<Entry> {
    for (let entry = which === 'pending' ? this.#next : this.#first; entry; entry = entry.next) if (entry.work) yield entry
  }

  /** Ends what has not ended (or not started) without letting it run. */
  end(which: 'unsettled' | 'pending', type: 'discarded' | 'abandoned', reason: string): void {
    for (const entry of [...this.entries(which)]) endTask(entry, this, type, { reason })
  }

  ended(entry: Entry, type: TaskEnd): void {
    while (this.#first && !this.#first.work) this.#first = this.#first.next
    if (entry.attempt > 0) {
      this.#active--
      this.#slotFree?.()
    }
    if (type === 'failed' && this.scope.options.stopOnError) this.#stopped = true
    if (--this.size === 0) this.#onEmpty()
  }

  /** The reaction of one entry. What it returns, the next one waits for. */
  readonly #step = (): void | Promise<void> => {
    const now = performance.now()
    if (this.#burstTasks++ === 0) this.#burstStart = now
    else if (this.#burstTasks > BURST_TASKS || now - this.#burstStart >= BURST_MS) {
      this.#burstTasks = 0
      return new Promise<void>(afterMacrotask).then(this.#step)
    }
    const entry = this.#next as Entry
    this.#next = entry.next
    if (!entry.work) return
    if (this.#stopped) return endTask(entry, this, 'discarded', { reason: 'an earlier task failed (stopOnError)' })
    this.#active++
    const running = this.scope.inTask(runTask, entry, this)
    if (this.scope.options.concurrency === 1) return running
    if (this.#active >= this.scope.options.concurrency) {
      return new Promise((resolve) => {
        this.#slotFree = resolve
      })
    }
  }
}
