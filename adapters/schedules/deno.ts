/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Schedules that `Deno.cron` ticks.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import { guarded } from '../../src/errors.ts'
import { refuse } from '../../src/rules.ts'
import { createRunner, type RunningSchedules, type SchedulesOptions } from './_runner.ts'
import { type CheckedSchedule, checkForHost, checkSchedules, type Schedules } from './_schedules.ts'

export type { RunningSchedules, SchedulesOptions } from './_runner.ts'
export type { Schedule, Schedules } from './_schedules.ts'

/** The member that is used of `Deno`. */
interface DenoLike {
  cron?(name: string, cron: string, options: { signal: AbortSignal }, run: () => Promise<void>): Promise<void>
}

/**
 * Runs tasks by `Deno.cron`, in this process or by a queue, from now until `close`: with `deno run --unstable-cron`, where it
 * keeps the process alive, or on Deno Deploy, where it has to be called at the top level of a module. Only in UTC.
 *
 * Runs of one schedule never overlap: Deno waits for the end of one, and passes over what ticks meanwhile without a word. With
 * a `queue` a run is no more than the enqueueing.
 *
 * Deno calls its cron by a name: of the task's and the key, where `_` is written `__`, and what Deno does not take by its
 * code, as `_2e_` for a dot.
 *
 * @example
 * ```ts deno
 * import { defineTask } from 'background-tasks'
 * import { deno } from 'background-tasks/schedules/deno'
 *
 * const report = defineTask({ name: 'report', retry: { attempts: 5 }, run: (to: string) => console.log('report', to) })
 *
 * const schedules = deno([{ task: report, cron: '0 3 * * MON-FRI', input: 'ada@example.com' }])
 * export const shutdown = () => schedules.close({ timeoutMs: 5000 })
 * ```
 *
 * @param schedules `{ task, cron, input, key? }`, one or more
 * @param options see {@link SchedulesOptions}
 * @throws {TypeError} a schedule or an option is not what it must be, or Deno refuses it
 * @throws {TaskInputError} an input is refused by the schema of its task, or cannot travel to the queue
 * @throws {Error} there is no `Deno.cron`
 */
export function deno<const T extends readonly Task[]>(
  schedules: Schedules<T>,
  options: SchedulesOptions = {},
): RunningSchedules {
  const list = checkSchedules(schedules, WHAT)
  checkForHost(list, 'Deno.cron', WHAT)
  const names = list.map(nameOf)
  const runner = createRunner(list, options, WHAT)
  const { Deno: host } = globalThis as { Deno?: DenoLike }
  if (!host?.cron) throw new Error(`Cannot ${WHAT} as there is no Deno.cron: use deno run --unstable-cron`)
  const controller = new AbortController()
  const { signal } = controller
  for (const [index, schedule] of list.entries()) {
    try {
      const ended = host.cron(names[index] as string, schedule.cron.trim(), { signal }, () =>
        runner.run(schedule, tickNow()),
      )
      guarded('Deno.cron failed', () => ended)
    } catch (cause) {
      controller.abort()
      const given = `schedules[${index}] with the cron ${JSON.stringify(schedule.cron)}`
      throw new TypeError(`Cannot ${WHAT} as Deno.cron refuses ${given}: ${(cause as Error).message}`, { cause })
    }
  }
  return runner.running(() => controller.abort())
}

const WHAT = 'create the schedules'
const LONGEST_NAME = 64
const MINUTE_MS = 60_000
/** How far apart the clocks of processes may be without a tick getting another id, where one comes early. */
const EARLY_MS = 5000

/** A name that no other task and key has. */
function nameOf({ task, key }: CheckedSchedule, index: number): string {
  const name = key === task.name ? escaped(key) : `${escaped(task.name)} ${escaped(key)}`
  if (name.length <= LONGEST_NAME) return name
  const expected = `short: Deno allows a name of ${LONGEST_NAME} characters, and '${name}' has ${name.length}`
  return refuse(`schedules[${index}].key`, expected, key, WHAT)
}

function escaped(text: string): string {
  return text.replace(/[^A-Za-z0-9-]/gu, (character) =>
    character === '_' ? '__' : `_${character.codePointAt(0)?.toString(16)}_`,
  )
}

/** For what minute Deno ticks, which it does not say. */
function tickNow(): Date {
  return new Date(Math.floor((Date.now() + EARLY_MS) / MINUTE_MS) * MINUTE_MS)
}
