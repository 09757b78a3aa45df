/**
 * Lists that wait until a test lets them start.
 *
 * @module
 */
import { afterMacrotask, type Delivery, hop } from '../src/adapter.ts'
import type { BackgroundTasks } from '../src/background-tasks.ts'
import type { PendingTask } from '../src/entry.ts'

interface Held {
  /** Its runs that are not over: two, where a task was added late. */
  readonly runs: Set<Promise<void>>
  /** Whether its handler has ended. */
  isComplete: boolean
  /** Lets its tasks start; undefined before the handler has ended, and once called. */
  start: ((delivery: Delivery) => void) | undefined
}

/** The lists that are not over, and the two halves of an adapter by which they come. */
export class HeldLists {
  readonly #lists = new Map<BackgroundTasks, Held>()
  /** The ids of what was added since no list was held. */
  #added: string[] = []
  /** How many callers run them all right now. */
  #runners = 0

  get tasks(): BackgroundTasks[] {
    return [...this.#lists.keys()]
  }

  /** What has not started, in order of adding. */
  get pending(): PendingTask[] {
    const pending = new Map<string, PendingTask[]>()
    for (const task of this.tasks.flatMap((tasks) => tasks.pending)) {
      // Ids need not be unique.
      const namesakes = pending.get(task.id)
      if (namesakes) namesakes.push(task)
      else pending.set(task.id, [task])
    }
    return this.#added.flatMap((id) => pending.get(id)?.shift() ?? [])
  }

  /** Told of every task, as a list knows the order of its own only. */
  added(id: string): void {
    this.#added.push(id)
  }

  keepAlive(tasks: BackgroundTasks, work: Promise<void>): void {
    if (this.#lists.size === 0) this.#added = []
    const { runs } = this.#heldOf(tasks)
    runs.add(work)
    work.then(() => {
      runs.delete(work)
      this.#release(tasks)
    })
  }

  afterResponse(tasks: BackgroundTasks, start: (delivery: Delivery) => void): void {
    const held = this.#heldOf(tasks)
    held.isComplete = true
    held.start = start
    afterMacrotask(() => this.#release(tasks), undefined)
  }

  /** Starts what can start, and waits until only lists are left whose handlers still run. */
  async runAll(): Promise<void> {
    this.#runners++
    for (;;) {
      // No list may start in the turn in which its handler returned.
      await hop()
      for (const tasks of this.#lists.keys()) this.#release(tasks)
      const complete = [...this.#lists.values()].filter(({ isComplete }) => isComplete)
      if (complete.length === 0) break
      await Promise.all(complete.flatMap(({ runs }) => [...runs]))
    }
    this.#runners--
  }

  clear(): void {
    for (const [tasks, held] of this.#lists) {
      tasks.clear()
      // For its resources, which are disposed of once the list has started.
      begin(held)
    }
  }

  #heldOf(tasks: BackgroundTasks): Held {
    const known = this.#lists.get(tasks)
    if (known) return known
    const held: Held = { runs: new Set(), isComplete: false, start: undefined }
    this.#lists.set(tasks, held)
    return held
  }

  /** Lets a list go that is over, and starts one while all are being run: a task may wait for those of another request. */
  #release(tasks: BackgroundTasks): void {
    const held = this.#lists.get(tasks)
    if (!held) return
    const isOver = held.runs.size === 0
    if (isOver) this.#lists.delete(tasks)
    if (isOver || this.#runners > 0) begin(held)
  }
}

function begin(held: Held): void {
  const { start } = held
  held.start = undefined
  start?.('returned')
}
