/**
 * What has to be done from time to time: jobs of dead workers are run again, records that were kept long enough go.
 *
 * BullMQ's own check for dead workers would come at once after an outage, when the locks of those that live have run out, and
 * before they have locked their jobs again. And it would be sent again on the connection of a worker.
 *
 * @module
 */
import { startTimer, stopTimer } from '../../src/adapter.ts'
import type { Line } from './_bullmq-line.ts'
import { within } from './_deadline.ts'
import type { Deadline, EngineSettings } from './_engine.ts'

/** Does something on the line to the server, before a deadline. */
export type OnLine = <T>(deadline: Deadline, work: (line: Line) => Promise<T>) => Promise<T>

/** An answer that takes longer is an outage. */
const SLOW_MS = 1000
/** How often records are looked for, at most. */
const CLEAN_MS = 60_000
/** How many go at once. */
const CLEAN_COUNT = 1000

export class Upkeep {
  readonly #task: string
  readonly #onLine: OnLine
  readonly #settings: EngineSettings
  readonly #everyMs: number
  /** Since when the server has answered whenever it was asked. */
  #goodSince: number | undefined = Date.now()
  #cleanAt = 0
  #timer: unknown

  constructor(task: string, onLine: OnLine, settings: EngineSettings) {
    this.#task = task
    this.#onLine = onLine
    this.#settings = settings
    this.#everyMs = settings.leaseMs / 2
    this.#again()
  }

  stop(): void {
    stopTimer(this.#timer)
    this.#timer = undefined
  }

  #again(): void {
    this.#timer = startTimer(async () => {
      await within(this.#settings.timeoutMs, (deadline) => this.#onLine(deadline, (line) => this.#look(line))).catch(
        () => {
          this.#goodSince = undefined
        },
      )
      if (this.#timer !== undefined) this.#again()
    }, this.#everyMs)
  }

  async #look(line: Line): Promise<void> {
    const backend = (await line.queue(this.#task)).getBackend()
    const asked = Date.now()
    await line.answers()
    const now = Date.now()
    if (now - asked > SLOW_MS) this.#goodSince = now
    this.#goodSince ??= now
    if (now - this.#goodSince < 0.9 * this.#everyMs) return
    await backend.moveStalledJobsToWait()
    if (now < this.#cleanAt) return
    const { retentionMs } = this.#settings
    this.#cleanAt = now + Math.min(retentionMs, CLEAN_MS)
    await backend.cleanJobsByState('completed', now - retentionMs, CLEAN_COUNT)
    await backend.cleanJobsByState('failed', now - retentionMs, CLEAN_COUNT)
  }
}
