/**
 * Schedules that Cloudflare's Cron Triggers tick.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import { refuse } from '../../src/rules.ts'
import { createRunner, type SchedulesOptions } from './_runner.ts'
import { checkForHost, checkSchedules, type Schedules } from './_schedules.ts'

export type { SchedulesOptions } from './_runner.ts'
export type { Schedule, Schedules } from './_schedules.ts'

/** The part of Workers' `ScheduledController` that is used. */
export interface ScheduledControllerLike {
  readonly cron: string
  /** As `Date.now()`. */
  readonly scheduledTime: number
}

/** The part of Workers' `ExecutionContext` that is used. */
export interface ExecutionContextLike {
  waitUntil(promise: Promise<unknown>): void
}

/**
 * Makes the Worker's `scheduled` handler: at each event it runs the tasks whose `cron` is that of the event, in the same
 * invocation, or gives them to a queue. The platform allows 15 minutes, and its clock is UTC.
 *
 * The expressions have to stand in the configuration of the Worker as well (`"triggers": { "crons": ["0 3 * * MON-FRI"] }`),
 * as that is what Cloudflare ticks. An event that no schedule names rejects, which shows among the past events of the Worker.
 *
 * @example
 * ```ts workers
 * import { defineTask } from 'background-tasks'
 * import { workers } from 'background-tasks/schedules/workers'
 *
 * const report = defineTask({ name: 'report', retry: { attempts: 5 }, run: (to: string) => console.log('report', to) })
 *
 * export default {
 *   scheduled: workers([{ task: report, cron: '0 3 * * MON-FRI', input: 'ada@example.com' }]),
 * } satisfies ExportedHandler
 * ```
 *
 * @param schedules `{ task, cron, input, key? }`, one or more
 * @param options see {@link SchedulesOptions}
 * @throws {TypeError} a schedule or an option is not what it must be
 * @throws {TaskInputError} an input is refused by the schema of its task, or cannot travel to the queue
 */
export function workers<const T extends readonly Task[]>(
  schedules: Schedules<T>,
  options: SchedulesOptions = {},
): (controller: ScheduledControllerLike, env?: unknown, ctx?: ExecutionContextLike) => Promise<void> {
  const list = checkSchedules(schedules, WHAT)
  checkForHost(list, 'Cloudflare', WHAT)
  for (const [index, { cron }] of list.entries()) {
    if (fieldsOf(cron).length !== 5) refuse(`schedules[${index}].cron`, 'a cron expression of five fields', cron, WHAT)
  }
  const runner = createRunner(list, options, WHAT)
  return async ({ cron, scheduledTime }, _env, ctx) => {
    const due = list.filter((schedule) => isSame(schedule.cron, cron))
    if (due.length === 0) {
      const known = [...new Set(list.map((schedule) => `'${schedule.cron}'`))].join(', ')
      const hint = 'the schedules and the triggers of the configuration must have the same expressions'
      throw new Error(`Cannot run what is due at '${cron}' as there are only schedules for ${known}: ${hint}`)
    }
    const work = Promise.all(due.map((schedule) => runner.run(schedule, new Date(scheduledTime))))
    // For whoever calls it without waiting.
    ctx?.waitUntil(work)
    await work
  }
}

const WHAT = 'create the schedules'

function fieldsOf(cron: string): string[] {
  return cron.trim().toUpperCase().split(/\s+/)
}

function isSame(cron: string, other: string): boolean {
  return fieldsOf(cron).join(' ') === fieldsOf(other).join(' ')
}
