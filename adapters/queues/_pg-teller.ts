/**
 * How pg-boss is told how jobs ended.
 *
 * @module
 */
import { hop } from '../../src/adapter.ts'
import type { Verdict } from './_engine.ts'
import type { ClaimLike, JobLike } from './_pg-boss-like.ts'
import { announce } from './_pg-names.ts'
import type { JobData } from './_pg-record.ts'
import type { Store } from './_pg-store.ts'

/** What is kept of a task without a result, as most are. */
const NOTHING = '{}'

export class Teller {
  readonly #store: Store
  readonly #queue: string
  /** Those that ended with nothing while the server was told of others. */
  #batch: { readonly claims: ClaimLike[]; readonly told: Promise<boolean> } | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(store: Store, queue: string) {
    this.#store = store
    this.#queue = queue
  }

  /** False where the job is no longer this worker's. May be called again when it has rejected. */
  async tell(job: JobLike, verdict: Verdict): Promise<boolean> {
    const { type, output } = verdict
    const claim = { id: job.id, retryCount: job.retryCount }
    if (type !== 'succeeded') return (await this.#give(job, verdict)) || this.#isTold(claim, type)
    const told = output === NOTHING ? this.#completeWithOthers(claim) : this.#complete([claim], output)
    return (await told) || this.#isTold(claim, type)
  }

  #give({ id, retryCount, data }: JobLike, { type, output, delayMs, isUnstarted }: Verdict): Promise<boolean> {
    const { boss, transaction } = this.#store
    const queue = this.#queue
    const kept = { text: output }
    return transaction(async (db) => {
      // pg-boss's own limit is far away: this makes it a job to be tried again, at once.
      const { affected } = await boss.fail(queue, { id, retryCount }, kept, { db })
      if (affected === 0) return false
      if (type === 'retry') await boss.update(queue, undefined, { id, startAfter: `${delayMs} ms`, db })
      // Not in other people's jobs, which have no envelope.
      if (isUnstarted && isOurs(data)) {
        await boss.update(queue, { ...data, unstarted: (data.unstarted ?? 0) + 1 }, { id, db })
      }
      if (type === 'abandoned') await announce(db, [queue])
      if (type === 'failed') {
        // Which cannot be said of one that runs.
        await boss.update(queue, undefined, { id, retryLimit: 0, db })
        await boss.fail(queue, id, kept, { db })
      }
      return true
    })
  }

  async #complete(claims: readonly ClaimLike[], output: string): Promise<boolean> {
    const { affected } = await this.#store.boss.complete(this.#queue, claims, { text: output })
    return affected === claims.length
  }

  /** For each statement the server writes to its disk, which is what takes the time. */
  #completeWithOthers(claim: ClaimLike): Promise<boolean> {
    if (!this.#batch) {
      const claims: ClaimLike[] = []
      const told = this.#last.then(hop).then(() => {
        this.#batch = undefined
        return this.#complete(claims, NOTHING)
      })
      this.#batch = { claims, told }
      this.#last = told.catch(() => {})
    }
    this.#batch.claims.push(claim)
    return this.#batch.told
  }

  /** It may have been told before, without an answer; or others of its batch are no longer this worker's. */
  async #isTold({ id, retryCount }: ClaimLike, type: Verdict['type']): Promise<boolean> {
    const [job] = await this.#store.boss.findJobs(this.#queue, { id })
    if (job?.retryCount !== retryCount) return false
    return job.state === (type === 'succeeded' ? 'completed' : type === 'failed' ? 'failed' : 'retry')
  }
}

const isOurs = (data: unknown): data is JobData => typeof (data as JobData | null)?.text === 'string'
