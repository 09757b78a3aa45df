/**
 * One macrotask for all lists that wait for one: each of its own would be the dearest part of a request with a task.
 *
 * @module
 */
import { afterMacrotask, type Delivery } from '../src/adapter.ts'
import { print } from '../src/errors.ts'

type Start = (delivery: Delivery) => void

/** Of each that waits, in order: `run`, `start`, `value`. Never shortened, so that a request leaves no garbage. */
const jobs: any[] = []
let end = 0
/** Where they ended when the macrotask that is on its way was asked for. */
let asked = 0

/**
 * Calls `run(start, value)` in a new macrotask, as `afterMacrotask` does. Who comes when one is on its way waits for the
 * next, as that one may begin before their bytes have left; unless they have, or will be asked, and so it `joins`. Not for
 * workerd, where a request cannot wait for what another one has asked for.
 */
export function afterSharedMacrotask<T>(
  run: (start: Start, value: T) => void,
  start: Start,
  value: T,
  joins = false,
): void {
  if (asked === end && joins && end > 0) asked += 3
  jobs[end++] = run
  jobs[end++] = start
  jobs[end++] = value
  if (asked === 0) ask()
}

/** What is to be run where it is known how the response ended. */
export const startWith = (start: Start, delivery: Delivery): void => start(delivery)

function ask(): void {
  asked = end
  afterMacrotask(runDue, undefined)
}

function runDue(): void {
  const due = asked
  for (let i = 0; i < due; i += 3) {
    try {
      jobs[i](jobs[i + 1], jobs[i + 2])
    } catch (error) {
      print('start failed', error)
    }
  }
  // What came meanwhile is next; of the others nothing is kept.
  jobs.copyWithin(0, due, end).fill(undefined, end - due, end)
  end -= due
  asked = 0
  if (end > 0) ask()
}
