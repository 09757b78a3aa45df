/**
 * How a request ended, and what that means for its tasks.
 *
 * @module
 */
import type { Outcome } from './adapter.ts'
import type { Ending } from './create-background-tasks.ts'
import { print } from './errors.ts'
import type { RunOn } from './options.ts'
import { isObject, refuse } from './rules.ts'
import { isPromise, isResponse } from './values.ts'

/** Of what the handler returned, or threw. */
export function outcomeOf(response: unknown, ending: Ending | undefined): Outcome {
  const threw = isObject(ending) && 'error' in ending
  return {
    status: ending?.status ?? statusOf(response),
    threw,
    error: ending?.error,
    delivery: undefined,
  }
}

function statusOf(response: unknown): number | undefined {
  try {
    return isResponse(response) ? response.status : undefined
  } catch {
    // A proxy of a Response, which the getters of some hosts refuse.
    return undefined
  }
}

/** Whether tasks may run after such an outcome. */
export function judge(runOn: RunOn, outcome: Outcome): boolean {
  const { threw, status = 0 } = outcome
  if (typeof runOn === 'string') return runOn === 'always' || (!threw && (runOn === 'response' || status < 400))
  try {
    const answer: unknown = runOn(outcome)
    if (isPromise(answer)) {
      answer.then(undefined, () => {})
      refuse('runOn()', 'a boolean', answer, 'start tasks')
    }
    return Boolean(answer)
  } catch (error) {
    print('runOn failed, the tasks are discarded', error)
    return false
  }
}

/** What is told of a task that may not run. */
export function whyNot({ threw }: Outcome): string {
  return threw ? 'the handler threw' : 'runOn said no'
}
