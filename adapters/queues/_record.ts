/**
 * What an engine knows of a job, as users see it.
 *
 * @module
 */
import type { TaskRecord } from '../../src/queue.ts'
import type { EngineRecord } from './_engine.ts'
import type { Output } from './_json.ts'

export function recordOf<O>(found: EngineRecord, task: string, id: string): TaskRecord<O> {
  const { state, attempts, output = '{}', enqueuedAt, startedAt, finishedAt } = found
  const { result, error } = JSON.parse(output) as Output
  return {
    id,
    task,
    state,
    attempts,
    enqueuedAt,
    ...(result !== undefined && { result: JSON.parse(result) as O }),
    ...(error && { error: error as NonNullable<TaskRecord['error']> }),
    ...(startedAt && { startedAt }),
    ...(finishedAt && { finishedAt }),
  }
}
