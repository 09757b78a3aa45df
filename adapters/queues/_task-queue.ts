/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What all engines have in common: checks, envelopes, deadlines, workers.
 *
 * @module
 */
import { isTask, type Task } from '../../src/define-task.ts'
import { QueueError, TaskInputError } from '../../src/errors.ts'
import type {
  EnqueueOptions,
  QueueFeature,
  QueueItem,
  QueueLimits,
  QueueWorker,
  ScheduleOptions,
  TaskQueue,
  TaskRecord,
  WorkOptions,
} from '../../src/queue.ts'
import { checked, type Rules, refuse } from '../../src/rules.ts'
import { isFunction } from '../../src/values.ts'
import { within } from './_deadline.ts'
import type { Deadline, Engine, EngineSettings, Job } from './_engine.ts'
import { type Envelope, encode, type JsonIssue, type Output } from './_json.ts'
import { Worker, workSettings } from './_worker.ts'

/** Makes an engine a queue. */
export function taskQueue<Transaction = never>(
  engine: Engine<Transaction>,
  settings: Pick<EngineSettings, 'timeoutMs'>,
): TaskQueue<Transaction> {
  return new Queue(engine, settings.timeoutMs)
}

const isId = (value: unknown): boolean => typeof value === 'string' && value !== ''

const scheduleRules: Rules = {
  key: [undefined, 'a string that is not empty', isId],
  timezone: ['UTC', "an IANA time zone such as 'Europe/Vienna'", isTimezone],
}

class Queue<Transaction> implements TaskQueue<Transaction> {
  readonly #engine: Engine<Transaction>
  readonly #timeoutMs: number
  readonly #rules: Rules
  readonly #workers: Set<Worker> = new Set()
  #wasOpen = false
  #closing: Promise<void> | undefined

  constructor(engine: Engine<Transaction>, timeoutMs: number) {
    this.#engine = engine
    this.#timeoutMs = timeoutMs
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

  get name(): string {
    return this.#engine.name
  }

  get limits(): QueueLimits {
    return this.#engine.limits
  }

  get lacks(): Engine['lacks'] {
    return this.#engine.lacks
  }

  ready(): Promise<void> {
    return this.#call('open', async () => {})
  }

  prepare(item: QueueItem<Transaction>): QueueItem<Transaction> {
    return item instanceof PreparedItem ? item : this.#prepared(item)
  }

  async enqueue<I>(task: Task<I, any>, input: I, options?: EnqueueOptions<Transaction>): Promise<{ id: string }> {
    const [added] = await this.enqueueAll([{ task, input, options }])
    return added as { id: string }
  }

  async enqueueAll(items: readonly QueueItem<Transaction>[]): Promise<{ id: string }[]> {
    if (!Array.isArray(items)) refuse('items', 'an array of { task, input }', items, 'enqueue')
    const jobs = items.map((item) => (item instanceof PreparedItem ? item : this.#prepared(item)).job)
    // Of two with one name and id the first one counts, also here.
    const unique = [...new Map(jobs.toReversed().map((job) => [`${job.task.name}\n${job.id}`, job])).values()].reverse()
    if (jobs.length > 0) await this.#call('enqueue', (deadline) => this.#engine.send(unique, deadline))
    return jobs.map(({ id }) => ({ id }))
  }

  async get<O>(task: Task<any, O>, id: string): Promise<TaskRecord<O> | undefined> {
    checkTask(task, 'get the task')
    if (!isId(id)) refuse('id', 'a string that is not empty', id, `get the task '${task.name}'`)
    const find = this.#have(this.#engine.find, 'get')
    const found = await this.#call('get', (deadline) => find.call(this.#engine, task, id, deadline))
    if (!found) return undefined
    const { state, attempts, output = '{}', enqueuedAt, startedAt, finishedAt } = found
    const { result, error } = JSON.parse(output) as Output
    return {
      id,
      task: task.name,
      state,
      attempts,
      enqueuedAt,
      ...(result !== undefined && { result: JSON.parse(result) as O }),
      ...(error && { error: error as NonNullable<TaskRecord['error']> }),
      ...(startedAt && { startedAt }),
      ...(finishedAt && { finishedAt }),
    }
  }

  async schedule<I>(task: Task<I, any>, cron: string, input: I, options: ScheduleOptions = {}): Promise<void> {
    checkTask(task, 'schedule the task')
    const what = `schedule the task '${task.name}'`
    const schedule = this.#have(this.#engine.schedule, 'schedule')
    const { key = task.name, timezone } = checked<ScheduleOptions & { timezone: string }>(scheduleRules, options, what)
    checkCron(cron, this.limits.scheduleStepMs, what)
    task.parse(input)
    const text = this.#text(input, {}, what)
    await this.#call(what, (deadline) => schedule.call(this.#engine, task, key, cron, timezone, text, deadline))
  }

  async unschedule(task: Task, key: string = task.name): Promise<void> {
    checkTask(task, 'unschedule the task')
    const unschedule = this.#have(this.#engine.unschedule, 'schedule')
    await this.#call('unschedule', (deadline) => unschedule.call(this.#engine, task, key, deadline))
  }

  async work(tasks: readonly Task[], options?: WorkOptions): Promise<QueueWorker> {
    if (!Array.isArray(tasks) || tasks.length === 0) refuse('tasks', 'an array of defined tasks', tasks, 'work')
    for (const task of tasks) checkTask(task, 'work')
    const names = tasks.map(({ name }) => name)
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice) throw new TypeError(`Cannot work as two of the tasks are named '${twice}'`)
    const consume = this.#have(this.#engine.consume, 'work')
    const worker = new Worker(
      { name: this.name, limits: this.limits, timeoutMs: this.#timeoutMs },
      workSettings(options),
    )
    this.#workers.add(worker)
    try {
      for (const task of tasks as readonly Task[]) {
        const perform = worker.perform.bind(worker, task)
        const { concurrency } = worker.settings
        worker.add(
          await this.#call('work', (deadline) => consume.call(this.#engine, task, concurrency, perform, deadline)),
        )
      }
    } catch (error) {
      this.#workers.delete(worker)
      await worker.close({ timeoutMs: 0 })
      throw error
    }
    return worker
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.all([...this.#workers].map((worker) => worker.close({ timeoutMs: this.#timeoutMs })))
      await within(this.#timeoutMs, this.#engine.close()).catch(() => {})
    })()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Opens the engine, then calls it, both before the deadline. */
  async #call<R>(what: string, work: (deadline: Deadline) => Promise<R>): Promise<R> {
    if (this.#closing) throw new QueueError(`Cannot ${what} as the queue '${this.name}' is closed`)
    try {
      const { openingMs } = this.#engine
      if (openingMs && !this.#wasOpen) await within(openingMs, (deadline) => this.#engine.open(deadline))
      return await within(this.#timeoutMs, async (deadline) => {
        await this.#engine.open(deadline)
        this.#wasOpen = true
        deadline.signal.throwIfAborted()
        return work(deadline)
      })
    } catch (cause) {
      if (cause instanceof Error && /^(QueueError|TaskInputError|TypeError)$/.test(cause.name)) throw cause
      const why = cause instanceof Error ? cause.message || cause.name : String(cause)
      throw new QueueError(`Cannot ${what} as the queue '${this.name}' is down or refuses: ${why}`, { cause })
    }
  }

  /** A method of the engine, if it has that. */
  #have<M>(method: M | undefined, feature: QueueFeature): M {
    const reason = this.lacks[feature]
    if (method && reason === undefined) return method
    throw new QueueError(`Cannot ${feature} with the queue '${this.name}': ${reason}`)
  }

  #prepared(item: QueueItem<Transaction>): PreparedItem<Transaction> {
    const { task, input, options = {} } = item
    checkTask(task, 'enqueue')
    const what = `enqueue the task '${task.name}'`
    const settings = checked<EnqueueOptions<Transaction> & { delayMs: number; priority: number }>(
      this.#rules,
      options,
      what,
    )
    const { id = crypto.randomUUID(), delayMs, priority, transaction, trace } = settings
    for (const feature of ['priority', 'transaction'] as const) {
      const reason = this.lacks[feature]
      if (options[feature] && reason !== undefined) {
        throw new QueueError(`Cannot ${what} with '${feature}' in the queue '${this.name}': ${reason}`)
      }
    }
    task.parse(input as never)
    const { delayStepMs } = this.limits
    const text = this.#text(input, { id, trace }, what)
    const job = { task, id, text, delayMs: Math.ceil(delayMs / delayStepMs) * delayStepMs, priority, transaction }
    return new PreparedItem(item, job)
  }

  /** The envelope of an input. */
  #text(input: unknown, rest: Pick<Envelope, 'id' | 'trace'>, what: string): string {
    try {
      const text = JSON.stringify({ v: 1, ...rest, input: encode(input) } satisfies Envelope)
      const { payloadBytes } = this.limits
      const bytes = new TextEncoder().encode(text).length
      if (bytes <= payloadBytes) return text
      throw { message: `it has ${bytes} bytes where ${payloadBytes} are the limit`, path: [] } satisfies JsonIssue
    } catch (error) {
      const { message, path = [] } = error as JsonIssue
      const where = path.length > 0 ? `${path.join('.')}: ` : ''
      throw new TaskInputError(`Cannot ${what} as its input cannot travel: ${where}${message}`, [{ message, path }])
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

function checkTask(task: unknown, what: string): asserts task is Task {
  if (!isTask(task)) refuse('task', 'a task made by defineTask', task, what)
}

function isTimezone(value: unknown): boolean {
  try {
    return typeof value === 'string' && Boolean(new Intl.DateTimeFormat('en', { timeZone: value }))
  } catch {
    return false
  }
}

/** Whether it has as many fields as the engine's step allows; what is in them is the engine's to judge. */
function checkCron(cron: unknown, stepMs: number, what: string): void {
  const fields = typeof cron === 'string' ? cron.trim().split(/\s+/).length : 0
  const expected = `a cron expression of five fields${stepMs < 60_000 ? ', or six with seconds first' : ''}`
  if (fields !== 5 && (fields !== 6 || stepMs >= 60_000)) refuse('cron', expected, cron, what)
}
