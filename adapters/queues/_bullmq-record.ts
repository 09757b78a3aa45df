/**
 * What BullMQ knows of a job.
 *
 * @module
 */
import type { BullJobLike } from './_bullmq-like.ts'
import type { EngineRecord } from './_engine.ts'

export function recordOf(job: BullJobLike, isActive: boolean): EngineRecord {
  const { attemptsStarted, timestamp, processedOn, finishedOn, returnvalue, failedReason } = job
  // What failed once and succeeded then has both.
  const hasSucceeded = finishedOn !== undefined && returnvalue !== null
  return {
    state: finishedOn === undefined ? (isActive ? 'running' : 'queued') : hasSucceeded ? 'succeeded' : 'failed',
    attempts: attemptsStarted,
    output: hasSucceeded ? JSON.stringify(returnvalue) : failedReason && outputOf(failedReason),
    enqueuedAt: new Date(timestamp),
    startedAt: processedOn === undefined ? undefined : new Date(processedOn),
    finishedAt: finishedOn === undefined ? undefined : new Date(finishedOn),
  }
}

/** Ours is JSON, but others may have moved the job. */
function outputOf(reason: string): string {
  return reason.startsWith('{') ? reason : JSON.stringify({ error: { name: 'Error', message: reason } })
}
