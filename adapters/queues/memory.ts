/**
 * A queue in the memory of this process, for tests and documentation: what a durable engine does, without one.
 *
 * @module
 */
import { startTimer, stopTimer } from '../../src/adapter.ts'
import type { Task } from '../../src/define-task.ts'
import type { TaskQueue } from '../../src/queue.ts'
import { checked } from '../../src/rules.ts'
import {
  type Consumer,
  type Engine,
  type EngineOptions,
  type EngineRecord,
  type EngineSettings,
  engineRules,
  type Job,
  type Perform,
  type Verdict,
} from './_engine.ts'
import { taskQueue } from './_task-queue.ts'

/**
 * Makes a queue that lives as long as this object. It checks, encodes, retries and reports as the durable ones do, so that a
 * test of the app finds what would go wrong there.
 *
 * @example
 * ```ts
 * import { defineTask, withBackgroundTasks } from 'background-tasks'
 * import { memory } from 'background-tasks/queues/memory'
 *
 * const greet = defineTask({ name: 'greet', run: (name: string) => console.log('hello', name) })
 * const queue = memory()
 * const worker = await queue.work([greet])
 *
 * export const handler = withBackgroundTasks(
 *   (_request, tasks) => Response.json({ id: tasks.add(greet, 'ada') }, { status: 202 }),
 *   { queue },
 * )
 * export const shutdown = () => worker.close({ timeoutMs: 5000 })
 * ```
 *
 * @param options those that all engines take; no lease runs out here
 * @throws {TypeError} an option is not what it must be
 */
export function memory(options: EngineOptions = {}): TaskQueue {
  const settings = checked<EngineSettings>(engineRules, options, 'create the memory queue')
  return taskQueue(new MemoryEngine(settings), settings)
}

/** A job, from when it is enqueued until its record is gone. */
interface Kept {
  readonly job: Job
  state: EngineRecord['state']
  attempts: number
  output: string | undefined
  readonly enqueuedAt: Date
  startedAt: Date | undefined
  finishedAt: Date | undefined
  /** Until it may start, or until its record goes. */
  timer: unknown
}

/** The jobs of one task. */
interface Line {
  readonly kept: Map<string, Kept>
  /** Those that may start, in order. */
  readonly waiting: Kept[]
  readonly takers: Set<() => void>
}

class MemoryEngine implements Engine {
  readonly name = 'memory'
  readonly limits: Engine['limits']
  readonly lacks: Engine['lacks'] = {
    durability: 'it is gone with the process',
    processes: 'nobody else sees the memory of this process',
    schedule: 'it has no clock of its own: use `/schedules/croner`',
    transaction: 'there is no database whose transaction it could join',
  }
  readonly #retentionMs: number
  readonly #lines: Map<string, Line> = new Map()

  constructor({ payloadBytes, retentionMs }: EngineSettings) {
    this.limits = { payloadBytes, delayStepMs: 1, maxDelayMs: 2 ** 31 - 1, scheduleStepMs: 1000 }
    this.#retentionMs = retentionMs
  }

  async open(): Promise<void> {}

  async send(jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) {
      const line = this.#line(job.task)
      if (line.kept.has(job.id)) continue
      const kept: Kept = {
        job,
        state: 'queued',
        attempts: 0,
        output: undefined,
        enqueuedAt: new Date(),
        startedAt: undefined,
        finishedAt: undefined,
        timer: undefined,
      }
      line.kept.set(job.id, kept)
      this.#enter(line, kept, job.delayMs)
    }
  }

  async find(task: Task, id: string): Promise<EngineRecord | undefined> {
    return this.#line(task).kept.get(id)
  }

  async consume(task: Task, concurrency: number, perform: Perform): Promise<Consumer> {
    const line = this.#line(task)
    let free = concurrency
    const take = async (): Promise<void> => {
      if (free <= 0) return
      const kept = line.waiting.shift()
      if (!kept) return
      free--
      Object.assign(kept, { state: 'running', startedAt: new Date(), attempts: kept.attempts + 1 })
      const verdict = await perform({ id: kept.job.id, text: kept.job.text, attempt: kept.attempts })
      this.#settle(line, kept, verdict)
      free++
      take()
    }
    line.takers.add(take)
    for (let count = 0; count < concurrency; count++) take()
    return {
      stop: () => {
        line.takers.delete(take)
        free = Number.NEGATIVE_INFINITY
      },
      close: async () => {},
    }
  }

  async close(): Promise<void> {
    for (const line of this.#lines.values()) for (const { timer } of line.kept.values()) stopTimer(timer)
    this.#lines.clear()
  }

  #line({ name }: Task): Line {
    let line = this.#lines.get(name)
    if (!line) {
      line = { kept: new Map(), waiting: [], takers: new Set() }
      this.#lines.set(name, line)
    }
    return line
  }

  #enter(line: Line, kept: Kept, delayMs: number): void {
    kept.state = 'queued'
    if (delayMs > 0) {
      kept.timer = startTimer(() => this.#enter(line, kept, 0), delayMs)
      return
    }
    const { priority } = kept.job
    const behind = line.waiting.findLastIndex((other) => other.job.priority >= priority)
    line.waiting.splice(behind + 1, 0, kept)
    for (const take of line.takers) take()
  }

  #settle(line: Line, kept: Kept, { type, output, delayMs, isUnstarted, settled }: Verdict): void {
    kept.output = output
    if (isUnstarted) kept.attempts--
    if (type === 'retry' || type === 'abandoned') this.#enter(line, kept, delayMs)
    else {
      Object.assign(kept, { state: type, finishedAt: new Date() })
      kept.timer = startTimer(() => line.kept.delete(kept.job.id), this.#retentionMs)
      // A record keeps no process alive.
      ;(kept.timer as { unref?(): void }).unref?.()
    }
    settled()
  }
}
