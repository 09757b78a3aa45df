/**
 * The tasks of a run, in order of adding.
 *
 * @module
 */
import type { Entry } from './entry.ts'
import type { Turn } from './fairness.ts'

/** A linked list: it may hold a million, and gives each up when it has ended. */
export class EntryQueue implements Turn {
  /** Tasks added and not yet ended. */
  size = 0
  /** For `isTurnOver`. */
  tasksThisTurn = 0
  turnStart = 0
  #firstUnended: Entry | undefined
  #next: Entry | undefined
  #last: Entry | undefined

  append(entry: Entry): void {
    if (this.#last) this.#last.next = entry
    this.#last = entry
    this.#firstUnended ??= entry
    this.#next ??= entry
    this.size++
  }

  /** The next one to start. */
  take(): Entry {
    const entry = this.#next as Entry
    this.#next = entry.next
    return entry
  }

  dropEnded(): void {
    while (this.#firstUnended?.ended) this.#firstUnended = this.#firstUnended.next
  }

  /** The tasks that have not ended, or are not even on their way. */
  entries(which: 'unsettled' | 'pending'): Entry[] {
    const entries: Entry[] = []
    for (let entry = which === 'pending' ? this.#next : this.#firstUnended; entry; entry = entry.next) {
      if (!entry.ended && !(which === 'pending' && entry.policy?.place === 'sent')) entries.push(entry)
    }
    return entries
  }
}
