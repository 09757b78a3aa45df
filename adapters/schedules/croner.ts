/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Schedules that tick in this process, by croner. It needs the package `croner`.
 *
 * @module
 */
// At once and not at the first tick, as a bad expression has to fail at boot.
import { Cron } from 'croner'
import type { Task } from '../../src/define-task.ts'
import { checkedPart, oneOf, type Rules, refuse } from '../../src/rules.ts'
import { createRunner, type Runner, type RunningSchedules, type SchedulesOptions } from './_runner.ts'
import { type CheckedSchedule, checkSchedules, type Schedules } from './_schedules.ts'

export type { RunningSchedules, SchedulesOptions } from './_runner.ts'
export type { Schedule, Schedules } from './_schedules.ts'

/** Options of `croner`. */
export interface CronerOptions extends SchedulesOptions {
  /**
   * What happens at a tick while the last run of the same schedule still goes on in this process. What is enqueued always
   * is: there the `concurrency` of the worker says it.
   *
   * - `'skip'`: the task is not run, but reported as `discarded`.
   * - `'run'`: it runs beside it.
   *
   * @default 'skip'
   */
  readonly overlap?: 'skip' | 'run' | undefined
}

/**
 * Runs tasks by the clock, in this process or by a queue, from now until `close`. Like a server it keeps the process alive.
 *
 * An expression has five fields, or six with seconds first; `L`, `W`, `#` and names of days and months as croner has them.
 * When clocks go forward, `30 2 * * *` runs at the first moment after the gap; when they go back, at the first of both.
 * With a wildcard, step, list or range in the seconds, minutes or hours it runs by the clock on the wall: not in the gap,
 * and twice in what is repeated.
 *
 * Missed ticks are not made up for. Where several were due at once, as the process slept, its event loop was blocked or the
 * clock was set forward, the latest of them runs, and one `discarded` event says how many did not. Where there is no
 * observer, `console.warn` says it. A clock that is set back by up to an hour repeats no tick.
 *
 * @example
 * ```ts
 * import { defineTask } from 'background-tasks'
 * import { croner } from 'background-tasks/schedules/croner'
 *
 * const report = defineTask({ name: 'report', retry: { attempts: 5 }, run: (to: string) => console.log('report', to) })
 *
 * const schedules = croner([{ task: report, cron: '0 3 * * *', timezone: 'Europe/Vienna', input: 'ada@example.com' }])
 * export const shutdown = () => schedules.close({ timeoutMs: 5000 })
 * ```
 *
 * @param schedules `{ task, cron, input, key?, timezone? }`, one or more
 * @param options see {@link CronerOptions}
 * @throws {TypeError} a schedule or an option is not what it must be
 * @throws {TaskInputError} an input is refused by the schema of its task, or cannot travel to the queue
 */
export function croner<const T extends readonly Task[]>(
  schedules: Schedules<T>,
  options: CronerOptions = {},
): RunningSchedules {
  const list = checkSchedules(schedules, WHAT)
  const crons = list.map(cronOf)
  const { overlap } = checkedPart<{ overlap: 'skip' | 'run' }>(rules, options, WHAT)
  const runner = createRunner(list, options, WHAT)
  const clocks = list.map((schedule, index) => new Clock(schedule, crons[index] as Cron, runner, overlap === 'run'))
  return runner.running(() => {
    for (const clock of clocks) clock.stop()
  })
}

const WHAT = 'create the schedules'
const rules: Rules = { overlap: ['skip', ...oneOf('skip', 'run')] }
// No colon: croner takes what has one for a date.
const FIELDS = /^\s*[^\s:]+(\s+[^\s:]+){4,5}\s*$/

/** @throws {TypeError} the expression is wrong, or has no tick */
function cronOf({ cron: expression, timezone }: CheckedSchedule, index: number): Cron {
  const name = `schedules[${index}].cron`
  if (!FIELDS.test(expression)) refuse(name, 'five fields, or six with seconds first', expression, WHAT)
  try {
    const cron = new Cron(expression, { mode: '5-or-6-parts', timezone })
    if (cron.nextRun()) return cron
  } catch (cause) {
    const why = `current value is ${JSON.stringify(expression)} (${(cause as Error).message})`
    throw new TypeError(`Cannot ${WHAT} as '${name}' must be a cron expression: ${why}`, { cause })
  }
  return refuse(name, 'a cron expression that ticks at all', expression, WHAT)
}

/** How long it trusts a timer, in milliseconds: a machine that sleeps, or a clock that is set, goes unnoticed meanwhile. */
const LOOK_MS = 30_000
/** Up to what a clock that is set back repeats no tick, in milliseconds. */
const REPEAT_MS = 3_600_000
/** To what number missed ticks are counted: there may be millions. */
const MOST_COUNTED = 1000

/** Ticks one schedule. Not by the timers of croner, which do not say for what time they tick, nor what they passed over. */
class Clock {
  readonly #schedule: CheckedSchedule
  readonly #cron: Cron
  readonly #runner: Runner
  readonly #mayOverlap: boolean
  #next: Date | null
  #lookedAt: number = Date.now()
  #timer: ReturnType<typeof setTimeout> | undefined
  #skipped = 0

  constructor(schedule: CheckedSchedule, cron: Cron, runner: Runner, mayOverlap: boolean) {
    this.#schedule = schedule
    this.#cron = cron
    this.#runner = runner
    this.#mayOverlap = mayOverlap
    this.#next = cron.nextRun(new Date(this.#lookedAt))
    this.#wait()
  }

  stop(): void {
    this.#next = null
    clearTimeout(this.#timer)
  }

  #wait(): void {
    if (!this.#next) return
    const ms = Math.max(0, Math.min(this.#next.getTime() - Date.now(), LOOK_MS))
    this.#timer = setTimeout(() => this.#look(), ms)
  }

  #look(): void {
    const now = Date.now()
    if (now < this.#lookedAt - REPEAT_MS) this.#next = this.#cron.nextRun(new Date(now))
    this.#lookedAt = now
    const due = this.#next
    if (!due || due.getTime() > now) {
      this.#wait()
      return
    }
    const [latest = due] = this.#cron.previousRuns(1, new Date(now + 1))
    const tick = new Date(Math.max(due.getTime(), latest.getTime()))
    this.#next = this.#cron.nextRun(tick)
    // Before anybody is told, who may close it.
    this.#wait()
    if (this.#mayOverlap || !this.#runner.isRunning(this.#schedule)) this.#run(tick)
    else this.#skip(tick)
    if (tick > due) this.#sayMissed(due, tick)
  }

  #run(tick: Date): void {
    this.#skipped = 0
    this.#runner.run(this.#schedule, tick)
  }

  #skip(tick: Date): void {
    const isNews = this.#skipped++ === 0
    this.#runner.discard(this.#schedule, tick, "the run before it still goes on (overlap: 'skip')", isNews)
  }

  #sayMissed(first: Date, end: Date): void {
    let count = 0
    for (let tick: Date | null = first; tick && tick < end && count <= MOST_COUNTED; tick = this.#cron.nextRun(tick))
      count++
    const ticks =
      count > MOST_COUNTED ? `more than ${MOST_COUNTED} ticks were` : count > 1 ? `${count} ticks were` : '1 tick was'
    const why = 'the process slept, its event loop was blocked, or the clock was set forward'
    this.#runner.discard(this.#schedule, first, `${ticks} missed before ${end.toISOString()}: ${why}`)
  }
}
