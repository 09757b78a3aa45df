/**
 * One macrotask for all lists that wait for one: each of its own would be the dearest part of a request with a task.
 *
 * @module
 */
import { afterMacrotask, type Delivery, isDeno } from '../src/adapter.ts'
import { print } from '../src/errors.ts'

type Start = (delivery: Delivery) => void

/** Those that wait, in order. Reused, so that a request leaves no garbage. */
const starts: (Start | undefined)[] = []
const deliveries: Delivery[] = []
let count = 0
/** How many there were when the macrotask that is on its way was asked for. */
let asked = 0

/**
 * Calls `start(delivery)` in a new macrotask, as `afterMacrotask` does. Not for workerd, where a request cannot wait for
 * what another one has asked for.
 */
export function afterSharedMacrotask(start: Start, delivery: Delivery): void {
  starts[count] = start
  deliveries[count++] = delivery
  if (asked === 0) ask()
}

function ask(): void {
  asked = count
  afterMacrotask(callDue, undefined)
}

function callDue(): void {
  // On Deno it is a timer, which may fire at once for whoever came after it was set: they wait for the next one.
  const due = isDeno ? asked : count
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
