/**
 * How long a list may hold the event loop.
 *
 * @module
 */
import { hop, hopsAreCheap, isDeno } from './adapter.ts'

// In milliseconds that will do, and on Deno it takes half the time of `performance.now`. Taken once: tests may put another one
// in its place.
const Clock = Date

/** So long others wait at most; less would be dear where each turn costs as much. */
const TURN_MS = hopsAreCheap ? 1 : 5
/** For hosts whose clock stands still while code runs. Not on Deno, where every turn of the event loop costs a millisecond. */
const TURN_TASKS = isDeno ? Number.POSITIVE_INFINITY : 64

/** What is counted for a list. */
export interface Turn {
  tasksThisTurn: number
  turnStart: number
  readonly size: number
}

/** Asked before each task: whether the event loop has to have its turn first. */
export function isTurnOver(turn: Turn): boolean {
  // All were cleared, or abandoned: nothing is left to be run, but of a very long list even that takes its time.
  if (turn.size === 0) return (++turn.tasksThisTurn & 8191) === 0
  // The clock costs as much as a task; a single one has nothing to be fair to.
  if (turn.tasksThisTurn++ === 0) turn.turnStart = turn.size > 1 ? Clock.now() : 0
  // A clock that was set back says nothing: then, too, it is over.
  else if (turn.tasksThisTurn > TURN_TASKS || Math.abs(Clock.now() - turn.turnStart) >= TURN_MS) {
    turn.tasksThisTurn = 0
    return true
  }
  return false
}

/** Gives the event loop its turn. Two where that is cheap: a connection is accepted in one, and its request read in the next. */
export const giveWay = (): Promise<void> => (hopsAreCheap ? hop().then(hop) : hop())
