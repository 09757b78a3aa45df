/**
 * The tasks of a run, in order of adding.
 *
 * @module
 */
import type { Entry } from './entry.ts'

/**
 * A linked list: it may hold a million, and gives each up when it has ended. No class to extend, as an object of a derived
 * one takes longer to make.
 */
export interface EntryQueue {
  /** Tasks added and not yet ended. */
  size: number
  firstUnended: Entry | undefined
  next: Entry | undefined
  last: Entry | undefined
}

export function append(queue: EntryQueue, entry: Entry): void {
  if (queue.last) queue.last.next = entry
  queue.last = entry
  queue.firstUnended ??= entry
  queue.next ??= entry
  queue.size++
}

/** The next one to start. */
export function take(queue: EntryQueue): Entry {
  const entry = queue.next as Entry
  queue.next = entry.next
  return entry
}

export function dropEnded(queue: EntryQueue): void {
  while (queue.firstUnended?.ended) queue.firstUnended = queue.firstUnended.next
}

/** The tasks that have not ended, or are not even on their way. */
export function entriesOf(queue: EntryQueue, which: 'unsettled' | 'pending'): Entry[] {
  const entries: Entry[] = []
  for (let entry = which === 'pending' ? queue.next : queue.firstUnended; entry; entry = entry.next) {
    if (!entry.ended && !(which === 'pending' && entry.policy?.place === 'sent')) entries.push(entry)
  }
  return entries
}
