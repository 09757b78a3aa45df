/**
 * What is checked before anything is sent to an engine.
 *
 * @module
 */
import { isTask, type Task } from '../../src/define-task.ts'
import { QueueError, TaskInputError } from '../../src/errors.ts'
import type { EnqueueOptions, QueueItem, ScheduleOptions } from '../../src/queue.ts'
import { checked, type Rules, refuse } from '../../src/rules.ts'
import { isFunction } from '../../src/values.ts'
import { timezoneRule } from '../_timezone.ts'
import type { Engine, Job } from './_engine.ts'
import { checkBytes, type Envelope, encode, problemOf } from './_json.ts'

/** Takes items in for one engine. */
export class Intake<Transaction> {
  readonly #engine: Engine<Transaction>
  readonly #rules: Rules

  constructor(engine: Engine<Transaction>) {
    this.#engine = engine
    const { maxDelayMs } = engine.limits
    const isDelay = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= maxDelayMs
    const isPriority = (value: unknown): boolean => Number.isInteger(value) && Math.abs(value as number) <= 1000
    this.#rules = {
      id: [undefined, 'a string that is not empty', isId],
      delayMs: [0, `a number of milliseconds from 0 to ${maxDelayMs}`, isDelay],
      priority: [0, 'an integer from -1000 to 1000', isPriority],
      transaction: [undefined, '{ executeSql(text, values) }', (value) => isFunction(value?.executeSql)],
      trace: [undefined, '{ traceparent }', (value) => typeof value?.traceparent === 'string'],
    }
  }

  /** An item as it is sent: by whoever prepared it, or checked now. */
  taken(item: QueueItem<Transaction>): PreparedItem<Transaction> {
    if (item instanceof PreparedItem) return item
    checkTask(item.task, 'enqueue')
    item.task.parse(item.input)
    return this.prepare(item)
  }

  /**
   * Checks an item, but for what its schema says, and gives it the form in which it is sent.
   *
   * @throws as `TaskQueue.prepare` does
   */
  prepare({ task, input, options = {} }: QueueItem<Transaction>): PreparedItem<Transaction> {
    checkTask(task, 'enqueue')
    const what = `enqueue the task '${task.name}'`
    const settings = checked<EnqueueOptions<Transaction> & { delayMs: number; priority: number }>(
      this.#rules,
      options,
      what,
    )
    const { id = crypto.randomUUID(), delayMs, priority, transaction, trace } = settings
    const { name, lacks, limits } = this.#engine
    for (const feature of ['priority', 'transaction'] as const) {
      const reason = lacks[feature]
      if (!options[feature] || reason === undefined) continue
      throw new QueueError(`Cannot ${what} with '${feature}' in the queue '${name}': ${reason}`)
    }
    this.#engine.checkTask?.(task)
    const text = this.envelope(input, { id, trace }, what)
    const { delayStepMs } = limits
    const job = { task, id, text, delayMs: Math.ceil(delayMs / delayStepMs) * delayStepMs, priority, transaction }
    return new PreparedItem({ task, input, options }, job)
  }

  /**
   * The text in which an input travels.
   *
   * @throws {TaskInputError} it cannot
   */
  envelope(input: unknown, rest: Pick<Envelope, 'id' | 'trace'>, what: string): string {
    const { payloadBytes } = this.#engine.limits
    try {
      const text = JSON.stringify({ v: 1, ...rest, input: encode(input, payloadBytes) } satisfies Envelope)
      checkBytes(text, payloadBytes)
      return text
    } catch (error) {
      const { issue, sentence } = problemOf(error)
      throw new TaskInputError(`Cannot ${what} as its input cannot travel: ${sentence}`, [issue])
    }
  }
}

/** An item that was checked, in the form in which it is sent: what becomes of the input later changes nothing. */
class PreparedItem<Transaction> implements QueueItem<Transaction> {
  readonly task: Task
  readonly input: unknown
  readonly options: EnqueueOptions<Transaction> | undefined
  readonly job: Job<Transaction>

  constructor({ task, input, options }: QueueItem<Transaction>, job: Job<Transaction>) {
    this.task = task
    this.input = input
    this.options = options
    this.job = job
  }
}

/** @throws {TypeError} it is no defined task */
export function checkTask(task: unknown, what: string): asserts task is Task {
  if (!isTask(task)) refuse('task', 'a task made by defineTask', task, what)
}

/** @throws {TypeError} they are no defined tasks, or two have one name */
export function checkTasks(tasks: unknown, what: string): asserts tasks is readonly Task[] {
  if (!Array.isArray(tasks) || tasks.length === 0) refuse('tasks', 'an array of defined tasks', tasks, what)
  for (const task of tasks) checkTask(task, what)
  const names = tasks.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice) throw new TypeError(`Cannot ${what} as two of the tasks are named '${twice}'`)
}

export const isId = (value: unknown): boolean => typeof value === 'string' && value !== ''

const scheduleRules: Rules = {
  key: [undefined, 'a string that is not empty', isId],
  timezone: timezoneRule,
}

/** What parsers have for a number that they draw anew each time; of all names, only that of Thursday has the letter. */
const hasDrawn = (cron: string): boolean => /h/i.test(cron.replaceAll(/thu/gi, ''))

/**
 * Checks what the engine need not: how many fields its step allows, that their times are fixed, and the zone.
 *
 * @throws {TypeError} one of them is wrong
 */
export function checkedSchedule(
  cron: unknown,
  options: ScheduleOptions,
  stepMs: number,
  what: string,
): { readonly key: string | undefined; readonly timezone: string } {
  const text = typeof cron === 'string' ? cron : ''
  const fields = text.trim().split(/\s+/).length
  const expected = `a cron expression of five fields${stepMs < 60_000 ? ', or six with seconds first' : ''}`
  if (fields !== 5 && (fields !== 6 || stepMs >= 60_000)) refuse('cron', expected, cron, what)
  if (hasDrawn(text)) refuse('cron', 'a cron expression of fixed times, without H', cron, what)
  return checked(scheduleRules, options, what)
}
