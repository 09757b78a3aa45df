/**
 * What pg-boss knows of a job.
 *
 * @module
 */
import type { EngineRecord } from './_engine.ts'
import type { JobLike, RecordLike } from './_pg-boss-like.ts'

const states: { readonly [S in RecordLike['state']]: EngineRecord['state'] } = {
  created: 'queued',
  retry: 'queued',
  active: 'running',
  completed: 'succeeded',
  failed: 'failed',
  // By hand only.
  cancelled: 'failed',
}

/** The `data` of a job of ours. */
export interface JobData {
  /** The envelope. */
  readonly text: string
  /** How often a worker has taken it and not started it. */
  readonly unstarted?: number
}

/** How often a job was started, if it was taken at all. pg-boss counts how often it was taken, after the first time. */
export function startsOf({ retryCount, data }: JobLike): number {
  return retryCount + 1 - ((data as JobData | null)?.unstarted ?? 0)
}

export function recordOf(job: RecordLike): EngineRecord {
  const { state, output, createdOn, startedOn, completedOn } = job
  // Where pg-boss has ended a start, as its worker died, the output is its own.
  const { text } = (output ?? {}) as { text?: string }
  return {
    state: states[state],
    attempts: startedOn ? startsOf(job) : 0,
    output: text,
    enqueuedAt: createdOn,
    startedAt: startedOn ?? undefined,
    finishedAt: completedOn ?? undefined,
  }
}
