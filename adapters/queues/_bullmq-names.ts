/**
 * How names, ids and priorities are called in BullMQ.
 *
 * @module
 */

/** What stays as it is, as every UUID does. */
const PLAIN = /^[\w.~-]+$/

/** A queue or scheduler: without the `:` that BullMQ puts between the parts of a key. Lone surrogates cannot be in a URI. */
export function nameOf(text: string): string {
  return PLAIN.test(text) ? text : encodeURIComponent(JSON.stringify(text).slice(1, -1))
}

/** A job. BullMQ takes no integers, and keeps what is its own beside them: `meta`, `wait`, `repeat:…`. */
export function jobIdOf(id: string): string {
  return `id-${nameOf(id)}`
}

/** Those under which a job may be known: a tick of a schedule has no other id than BullMQ's. */
export function jobIdsOf(id: string): string[] {
  return id.startsWith('repeat:') ? [jobIdOf(id), id] : [jobIdOf(id)]
}

/** Lower ones first there, and those without any before all others: so each job has one. */
export function priorityOf(priority: number): number {
  return 1001 - priority
}
