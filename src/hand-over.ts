/**
 * Tasks on their way to a durable queue.
 *
 * @module
 */
import type { Outcome } from './adapter.ts'
import type { Entry, Policy } from './entry.ts'
import { entriesOf } from './entry-queue.ts'
import { print } from './errors.ts'
import type { Settings } from './options.ts'
import { judge, whyNot } from './outcome.ts'
import type { QueueItem, TaskQueue } from './queue.ts'
import type { Run } from './run-list.ts'

type Bound = Entry & { policy: Policy & { item: QueueItem<any> } }

type Failure = { readonly reason: unknown }
type End = (response: unknown, outcome: Outcome) => unknown

/** The tasks of a run that the queue has to be given. */
function boundFor(run: Run): Bound[] {
  return entriesOf(run, 'pending').filter((entry): entry is Bound => entry.policy?.place === 'queue')
}

/** Gives the queue its tasks, where there are any, and then ends the handler's part of the list. */
export function handOver(run: Run, outcome: Outcome, response: unknown, end: End): unknown {
  const bound = boundFor(run)
  return bound.length > 0 ? handOverFirst(bound, run, outcome, response, end) : end(response, outcome)
}

async function handOverFirst(
  bound: readonly Bound[],
  run: Run,
  outcome: Outcome,
  response: unknown,
  end: End,
): Promise<unknown> {
  const failure = await failureOfAll(bound, run, outcome)
  if (failure && !outcome.threw) {
    // To the other tasks it is a handler that threw; one that had thrown already has said so.
    await end(undefined, { threw: true, error: failure.reason })
    throw failure.reason
  }
  if (failure) print('the queue did not take the tasks of a handler that threw', failure.reason)
  return end(response, outcome)
}

/** Why the queue does not take all of them, but for those that such an outcome lets not run. */
async function failureOfAll(bound: readonly Bound[], run: Run, outcome: Outcome): Promise<Failure | undefined> {
  // A rule of the wrapper is asked once.
  let verdict: boolean | undefined
  for (const entry of bound) {
    const mayRun = entry.runOn ? judge(entry.runOn, outcome) : (verdict ??= judge(run.scope.options.runOn, outcome))
    if (!mayRun) run.end(entry, 'discarded', { reason: whyNot(outcome) })
  }
  // Not before all were judged: whoever is asked, or told, may clear the list.
  const entries = bound.filter(({ ended }) => !ended)
  const failure = await failureOf(entries, run)
  if (failure) for (const entry of entries) run.end(entry, 'discarded', { reason: 'the queue did not take it' })
  return failure
}

/** Gives it a task that was added when the handler had ended, which nobody waits for. */
export async function handOverLate(
  entry: Entry,
  run: Run,
  runInProcess: (entry: Entry, run: Run) => void,
): Promise<void> {
  entry.attempt = 1
  const error = await failureOf([entry as Bound], run)
  if (error) run.end(entry, 'failed', { error: error.reason })
  else if (!entry.ended) {
    entry.attempt = 0
    runInProcess(entry, run)
  }
}

/** Why the queue does not take them; undefined when it does, or when they run in this process instead. */
async function failureOf(entries: readonly Bound[], run: Run): Promise<Failure | undefined> {
  const { queue, onQueueDown } = run.scope.options as Settings & { queue: TaskQueue }
  const items = entries.map(({ policy }) => policy.item)
  for (const { policy } of entries) policy.place = 'sent'
  try {
    if (items.length > 0) await queue.enqueueAll(items)
    for (const entry of entries) run.end(entry, 'queued')
  } catch (reason) {
    // What is to run later must not run now.
    const canRun = onQueueDown === 'inline' && items.every(({ options }) => !options?.delayMs)
    if (!canRun || (reason as Error | undefined)?.name !== 'QueueError') return { reason }
    for (const { policy } of entries) if (policy) policy.place = 'process'
  }
}
