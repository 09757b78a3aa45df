/**
 * One macrotask for all lists that wait for one: each of its own would be the dearest part of a request with a task.
 *
 * @module
 */
import { afterMacrotask, type Delivery } from '../src/adapter.ts'
import { print } from '../src/errors.ts'

type Start = (delivery: Delivery) => void

/** Those that wait, in order. Reused, so that a request leaves no garbage. */
const starts: (Start | undefined)[] = []
const deliveries: Delivery[] = []
let count = 0
/** How many there were when the macrotask that is on its way was asked for. */
let asked = 0

/**
 * Calls `start(delivery)` in a new macrotask, as `afterMacrotask` does. Who comes when one is on its way waits for the next, as
 * that one may begin before their bytes have left; unless they have, and so it `joins`. Not for workerd, where a request cannot
 * wait for what another one has asked for.
 */
export function afterSharedMacrotask(start: Start, delivery: Delivery, joins = false): void {
  starts[count] = start
  deliveries[count++] = delivery
  if (asked === 0) ask()
  else if (joins && asked === count - 1) asked = count
}

function ask(): void {
  asked = count
  afterMacrotask(callDue, undefined)
}

function callDue(): void {
  const due = asked
  for (let i = 0; i < due; i++) {
    try {
      ;(starts[i] as Start)(deliveries[i] as Delivery)
    } catch (error) {
      print('start failed', error)
    }
  }
  count -= due
  for (let i = 0; i < count; i++) {
    starts[i] = starts[due + i]
    deliveries[i] = deliveries[due + i] as Delivery
  }
  starts.fill(undefined, count, count + due)
  asked = 0
  if (count > 0) ask()
}
