/**
 * How schedules are written down, and checked.
 *
 * @module
 */
import { isTask, type Task } from '../../src/define-task.ts'
import { checked, isObject, REQUIRED, type Rules, refuse } from '../../src/rules.ts'
import { timezoneRule } from '../_timezone.ts'

/** A task, and when it runs: `Schedule<typeof report>`. */
export type Schedule<T extends Task = Task> = {
  /** Made by `defineTask`. Its `runOn` says nothing here, as there is no response. */
  readonly task: T
  /** The cron expression. */
  readonly cron: string
  /**
   * Tells several schedules of a task apart; not empty.
   *
   * @default the name of the task
   */
  readonly key?: string | undefined
  /**
   * The IANA time zone of the expression.
   *
   * @default 'UTC'
   */
  readonly timezone?: string | undefined
} & (undefined extends InputOf<T>
  ? { readonly input?: InputOf<T> | undefined }
  : { /** What the task is run with. */ readonly input: InputOf<T> })

type InputOf<T extends Task> = T extends Task<infer I> ? I : never

/** Schedules, each with the input of its own task. */
export type Schedules<T extends readonly Task[]> = { readonly [K in keyof T]: Schedule<T[K]> }

/** A schedule with its defaults filled in. */
export interface CheckedSchedule {
  readonly task: Task
  readonly cron: string
  readonly input: unknown
  readonly key: string
  readonly timezone: string
}

const rules: Rules = {
  task: [REQUIRED, 'a task made by defineTask', isTask],
  cron: [REQUIRED, "a cron expression such as '0 3 * * *'", isText],
  // The schema of its task has the say.
  input: [undefined, '', () => true],
  key: [undefined, 'a string that is not empty', isText],
  timezone: timezoneRule,
}

/**
 * Checks schedules, but for the expression, which is the host's to judge, and fills in the defaults.
 *
 * @param what what cannot be done with bad ones, for the message
 * @throws {TypeError} they are not what they must be
 * @throws {TaskInputError} the schema of a task refuses its input
 */
export function checkSchedules(schedules: unknown, what: string): CheckedSchedule[] {
  if (!Array.isArray(schedules) || schedules.length === 0) {
    refuse('schedules', 'an array of { task, cron, input } that is not empty', schedules, what)
  }
  const names = new Set<string>()
  return schedules.map((schedule: unknown, index) => {
    const place = `schedules[${index}]`
    if (!isObject(schedule)) refuse(place, '{ task, cron, input }', schedule, what)
    const { task, key = task.name, ...rest } = checked<CheckedSchedule>(rules, schedule, what, `${place}.`)
    const name = JSON.stringify([task.name, key])
    if (names.has(name)) {
      throw new TypeError(`Cannot ${what} as two of the task '${task.name}' have the key '${key}': give each its own`)
    }
    names.add(name)
    const { input } = schedule as { input?: unknown }
    task.parse(input)
    // A rule about responses, which would be asked about one that there is not.
    return { ...rest, task: task.runOn ? { ...task, runOn: undefined } : task, key, input }
  })
}

/**
 * Checks what else must hold where the host ticks: Deno and Cloudflare.
 *
 * @throws {TypeError} a schedule asks for what these do not have, or what they take for something else
 */
export function checkForHost(schedules: readonly CheckedSchedule[], host: string, what: string): void {
  for (const [index, { cron, timezone }] of schedules.entries()) {
    const place = `schedules[${index}]`
    if (timezone !== 'UTC') refuse(`${place}.timezone`, `'UTC', which is all that ${host} has`, timezone, what)
    // To them Sunday is 1, to everybody else 0. The number of a step (*/2) or an occurrence (MON#1) is no day.
    const days = cron
      .trim()
      .split(/\s+/)[4]
      ?.replace(/[/#]\d+/g, '')
    const expected = `an expression with days of the week by name (MON-FRI), as to ${host} 1 is Sunday`
    if (/\d/.test(days ?? '')) refuse(`${place}.cron`, expected, cron, what)
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== ''
}
