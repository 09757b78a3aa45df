/**
 * One macrotask for all lists that wait for one: each of its own would be the dearest part of a request with a task.
 *
 * @module
 */
import { afterMacrotask, type Delivery } from '../src/adapter.ts'
import { print } from '../src/errors.ts'

type Start = (delivery: Delivery) => void

/** Those that wait, in order. Reused, so that a request leaves no garbage. */
const runs: (((start: Start, value: any) => void) | undefined)[] = []
const starts: (Start | undefined)[] = []
const values: unknown[] = []
let count = 0
/** How many there were when the macrotask that is on its way was asked for. */
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
  runs[count] = run
  starts[count] = start
  values[count++] = value
  if (asked === 0) ask()
  else if (joins && asked === count - 1) asked = count
}

/** What is to be run where it is known how the response ended. */
export const startWith = (start: Start, delivery: Delivery): void => start(delivery)

function ask(): void {
  asked = count
  afterMacrotask(runDue, undefined)
}

function runDue(): void {
  const due = asked
  for (let i = 0; i < due; i++) {
    try {
      ;(runs[i] as (start: Start, value: unknown) => void)(starts[i] as Start, values[i])
    } catch (error) {
      print('start failed', error)
    }
  }
  count -= due
  // What came meanwhile is next; of the others nothing is kept.
  for (let i = 0; i < due + count; i++) {
    const isNext = i < count
    runs[i] = isNext ? runs[due + i] : undefined
    starts[i] = isNext ? starts[due + i] : undefined
    values[i] = isNext ? values[due + i] : undefined
  }
  asked = 0
  if (count > 0) ask()
}
