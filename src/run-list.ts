/**
 * One run of a list: order, concurrency, fairness, isolation, and what is told of each task.
 *
 * @module
 */
import { afterMacrotask, type Delivery } from './adapter.ts'
import { type BackgroundTasks, leave } from './background-tasks.ts'
import type { Scope } from './create-background-tasks.ts'
import { guarded } from './errors.ts'
import { eventOf, type TaskEnd, type TaskEvent } from './observer.ts'
import { type Entry, runTask } from './run-task.ts'

/** How long, and how many tasks, a chain may hold the event loop. The count is for hosts whose clock stands still. */
const BURST_MS = 5
const BURST_TASKS = 64

/**
 * From a list's first `add` until it is empty. The entries are a linked list, and each has one reaction in a chain of
 * promises: a reaction runs in the async context of its `then` call, which is the context of that task's `add`.
 */
export class Run {
  readonly scope: Scope
  /** Tasks added and not yet ended. */
  size = 0
  /** Its place among the runs of the scope. */
  index = 0
  #tasks: BackgroundTasks | undefined
  #release: (() => void) | undefined
  #openGate!: (run: Run) => void
  #chain: Promise<Run>
  #delivery: Delivery | undefined
  /** The first task that has not ended, the next to start, and the last. */
  #first: Entry | undefined
  #next: Entry | undefined
  #last: Entry | undefined
  #active = 0
  #slotFree: (() => void) | undefined
  #burstTasks = 0
  #burstStart = 0
  #stopped = false

  constructor(scope: Scope, tasks: BackgroundTasks) {
    this.scope = scope
    this.#tasks = tasks
    this.#chain = new Promise((resolve) => {
      this.#openGate = resolve
    })
  }

  /** Settles one turn after the list is empty, so that whoever awaited the last task may still add another. */
  work(): Promise<void> {
    return new Promise((resolve) => {
      this.#release = () => afterMacrotask(resolve, undefined)
    })
  }

  push(entry: Entry): void {
    if (this.#last) this.#last.next = entry
    this.#last = entry
    this.#first ??= entry
    this.#next ??= entry
    this.size++
    this.scope.unsettled++
    this.tell(entry, 'added')
    this.#chain = this.#chain.then(nextStep)
  }

  /** Lets the tasks start. */
  open(delivery: Delivery | undefined): void {
    this.#delivery = delivery
    this.#openGate(this)
  }

  /** The tasks that have not ended, or not even started, in order of adding. */
  entries(which: 'unsettled' | 'pending'): Entry[] {
    const entries: Entry[] = []
    for (let entry = which === 'pending' ? this.#next : this.#first; entry; entry = entry.next) {
      if (!entry.ended) entries.push(entry)
    }
    return entries
  }

  /** Ends a task, once: what comes after (the late result of an abandoned task) is ignored. */
  end(entry: Entry, type: TaskEnd, detail?: Partial<TaskEvent>): void {
    if (entry.ended) return
    // First of all: whoever is told may end the rest, and must not meet this one again.
    entry.ended = true
    const { scope } = this
    const { name } = entry
    this.tell(entry, type, detail)
    entry.work = entry.args = undefined
    while (this.#first?.ended) this.#first = this.#first.next
    if (type === 'failed') {
      this.#stopped ||= scope.options.stopOnError
      guarded('onError failed', () =>
        scope.options.onError(detail?.error, { id: entry.id, name, attempt: entry.attempt }),
      )
    }
    if (entry.attempt > 0) {
      this.#active--
      this.#slotFree?.()
    }
    if (--this.size === 0) {
      this.#leave()
      this.#release?.()
    }
    scope.count(type, entry, name)
  }

  /** Ends what has not started. */
  discard(reason: string): void {
    for (const entry of this.entries('pending')) this.end(entry, 'discarded', { reason })
  }

  /** Ends all, at a deadline. What is added from now on starts a fresh run, as this one may hang in its task. */
  abandon(reason: string): void {
    const entries = this.entries('unsettled')
    this.#leave()
    for (const entry of entries) this.end(entry, 'abandoned', { reason })
  }

  #leave(): void {
    if (!this.#tasks) return
    this.scope.leave(this)
    leave(this.#tasks, this)
    // A task that hangs keeps its run for ever, which must not keep the request.
    this.#tasks = undefined
  }

  /** Tells the observer, where there is one. */
  tell(entry: Entry, type: TaskEvent['type'], detail?: Partial<TaskEvent>): void {
    const { observer } = this.scope.options
    if (observer) guarded('observer failed', () => observer(eventOf(entry, this.#delivery, type, detail)))
  }

  /** The reaction of one entry. What it returns, the next one waits for. */
  step(): Run | Promise<Run> {
    // The clock costs as much as a task; a single one has nothing to be fair to.
    if (this.#burstTasks++ === 0) this.#burstStart = this.size > 1 ? performance.now() : 0
    else if (this.#burstTasks > BURST_TASKS || performance.now() - this.#burstStart >= BURST_MS) {
      this.#burstTasks = 0
      return new Promise<Run>((resolve) => afterMacrotask(resolve, this)).then(nextStep)
    }
    const entry = this.#next as Entry
    this.#next = entry.next
    if (this.#stopped) this.end(entry, 'discarded', { reason: 'an earlier task failed (stopOnError)' })
    if (entry.ended) return this
    this.#active++
    runTask(entry, this)
    if (this.#active < this.scope.options.concurrency) return this
    return new Promise((resolve) => {
      this.#slotFree = () => resolve(this)
    })
  }
}

// Shared by all runs: a closure for each is what a request with one task leaves to the collector.
const nextStep = (run: Run): Run | Promise<Run> => run.step()
