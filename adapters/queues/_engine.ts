/**
 * The contract between what all engines have in common and one engine.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import type { QueueFeature, QueueLimits } from '../../src/queue.ts'
import { checked, milliseconds, type Rules } from '../../src/rules.ts'

/** Options that every engine takes. */
export interface EngineOptions {
  /**
   * Within what every call is settled, in milliseconds: 100 to 2^31-1.
   *
   * @default 4000
   */
  readonly timeoutMs?: number | undefined
  /**
   * How long a worker may be silent before its tasks are run again, in milliseconds: 10,000 to 2^31-1. It is again within
   * three times that.
   *
   * @default 10_000
   */
  readonly leaseMs?: number | undefined
  /**
   * How long the record of a task is kept that has ended, in milliseconds: 1000 to 2^31-1.
   *
   * @default 604_800_000 (7 days)
   */
  readonly retentionMs?: number | undefined
  /**
   * How many bytes of UTF-8 a job may have, its envelope included.
   *
   * @default 1_048_576
   */
  readonly payloadBytes?: number | undefined
}

/** With the defaults filled in. */
export type EngineSettings = { readonly [K in keyof EngineOptions]-?: number }

export const engineRules: Rules = {
  timeoutMs: milliseconds(4000, 100),
  leaseMs: milliseconds(10_000, 10_000),
  retentionMs: milliseconds(7 * 24 * 3_600_000, 1000),
  payloadBytes: [1_048_576, 'a positive integer', (value) => Number.isInteger(value) && value > 0],
}

/**
 * Checks the options of an engine and fills in the defaults. Its times are rounded up, as servers take whole milliseconds only.
 *
 * @throws {TypeError} an option is not what it must be
 */
export function engineSettings<Settings extends EngineSettings>(
  rules: Rules,
  options: unknown,
  what: string,
): Settings {
  const settings = checked<Settings>(rules, options, what)
  const { timeoutMs, leaseMs, retentionMs } = settings
  const times = { timeoutMs: Math.ceil(timeoutMs), leaseMs: Math.ceil(leaseMs), retentionMs: Math.ceil(retentionMs) }
  return { ...settings, ...times }
}

/** A job on its way to the engine, checked. */
export interface Job<Transaction = never> {
  readonly task: Task
  readonly id: string
  /** The envelope. */
  readonly text: string
  /** A multiple of `limits.delayStepMs`. */
  readonly delayMs: number
  readonly priority: number
  readonly transaction: Transaction | undefined
}

/** A job that a worker has taken. */
export interface TakenJob {
  /** The engine's own, where the envelope has none (a schedule's tick). */
  readonly id: string
  readonly text: string
  /** The number of this start, from 1. */
  readonly attempt: number
}

/** What the engine has to do with a job that was run. */
export interface Verdict {
  /**
   * - `succeeded`, `failed`: it has ended, and is kept as that with `output`.
   * - `retry`: it is started again after `delayMs`.
   * - `abandoned`: it is started again at once, by another worker; this one takes nothing any more.
   */
  readonly type: 'succeeded' | 'failed' | 'retry' | 'abandoned'
  /** It is `abandoned` without having been started: that is not to count as a start, where the engine can help it. */
  readonly isUnstarted?: boolean
  /** The JSON text of an `Output`. */
  readonly output: string
  /** A multiple of `limits.delayStepMs`. */
  readonly delayMs: number
  /**
   * MUST be called when the engine has acknowledged that, or with the error when it has not: then the job will be run again,
   * and that is what observers are told.
   */
  settled(failure?: unknown): void
}

/** Runs a job. Never rejects. */
export type Perform = (job: TakenJob) => Promise<Verdict>

/** Takes the jobs of one task. */
export interface Consumer {
  /** Called once. Takes nothing new from this call on, and resolves when what it had taken by then was given to `perform`. */
  stop(): void | Promise<void>
  /** Called once, when nothing runs any more. */
  close(): Promise<void>
}

/** What an engine knows of a job. */
export interface EngineRecord {
  readonly state: 'queued' | 'running' | 'succeeded' | 'failed'
  readonly attempts: number
  /** The `output` of its last verdict. */
  readonly output?: string | undefined
  readonly enqueuedAt: Date
  readonly startedAt?: Date | undefined
  readonly finishedAt?: Date | undefined
}

/** When a call has to be over. */
export interface Deadline {
  /** As `Date.now()`. */
  readonly at: number
  /** Aborted then. What was sent MUST NOT take effect later. */
  readonly signal: AbortSignal
}

/**
 * One engine, without what all have in common: checks, envelopes, deadlines, running a task, events.
 *
 * - What it rejects with becomes the `cause` of a `QueueError`; a `QueueError` goes to the caller as it is.
 * - It MUST NOT print, end the process or leave a rejection unhandled when its server goes away, and MUST work again when
 *   that is back, without being told.
 */
export interface Engine<Transaction = never> {
  readonly name: string
  readonly limits: QueueLimits
  readonly lacks: Readonly<Partial<Record<QueueFeature, string>>>
  /**
   * Connects, or finds that it is connected: called before every other call. MUST be cheap then, and safe to call at once
   * from several places.
   */
  open(deadline: Deadline): Promise<void>
  /** How long the first opening may take, where that is longer than `timeoutMs`. */
  readonly openingMs?: number | undefined
  /** @throws {TypeError} it cannot have such a task, as the name will not do */
  checkTask?(task: Task): void
  /** Enqueues jobs, of several tasks perhaps: all of a task or none. */
  send(jobs: readonly Job<Transaction>[], deadline: Deadline): Promise<void>
  find?(task: Task, id: string, deadline: Deadline): Promise<EngineRecord | undefined>
  /** @throws {TypeError} the expression is wrong; the zone and the number of fields were checked */
  schedule?(task: Task, key: string, cron: string, timezone: string, text: string, deadline: Deadline): Promise<void>
  unschedule?(task: Task, key: string, deadline: Deadline): Promise<void>
  /** Starts to take jobs of a task; `concurrency` of them at once. Resolves when it is ready to. */
  consume?(task: Task, concurrency: number, perform: Perform, deadline: Deadline): Promise<Consumer>
  /** Called once, after all consumers are closed, under `timeoutMs`. */
  close(): Promise<void>
}
