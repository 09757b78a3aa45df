/**
 * What pg-boss knows of a job.
 *
 * @module
 */
import type { EngineRecord } from './_engine.ts'
import type { RecordLike } from './_pg-boss-like.ts'

const states: { readonly [S in RecordLike['state']]: EngineRecord['state'] } = {
  created: 'queued',
  retry: 'queued',
  active: 'running',
  completed: 'succeeded',
  failed: 'failed',
  // By hand only.
  cancelled: 'failed',
}

export function recordOf({ state, retryCount, output, createdOn, startedOn, completedOn }: RecordLike): EngineRecord {
  // Where pg-boss has ended a start, as its worker died, the output is its own.
  const { text } = (output ?? {}) as { text?: string }
  return {
    state: states[state],
    attempts: startedOn ? retryCount + 1 : 0,
    output: text,
    enqueuedAt: createdOn,
    startedAt: startedOn ?? undefined,
    finishedAt: completedOn ?? undefined,
  }
}
