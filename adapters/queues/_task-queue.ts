/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What all engines have in common: checks, envelopes, deadlines, workers.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import { QueueError } from '../../src/errors.ts'
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
import { refuse } from '../../src/rules.ts'
import { within } from './_deadline.ts'
import type { Deadline, Engine, EngineSettings, Job } from './_engine.ts'
import { checkedSchedule, checkTask, checkTasks, Intake, isId } from './_intake.ts'
import { errorOf } from './_json.ts'
import { recordOf } from './_record.ts'
import { Worker, workSettings } from './_worker.ts'

/** Makes an engine a queue. */
export function taskQueue<Transaction = never>(
  engine: Engine<Transaction>,
  settings: Pick<EngineSettings, 'timeoutMs'>,
): TaskQueue<Transaction> {
  return new Queue(engine, settings.timeoutMs)
}

class Queue<Transaction> implements TaskQueue<Transaction> {
  readonly #engine: Engine<Transaction>
  readonly #timeoutMs: number
  readonly #intake: Intake<Transaction>
  readonly #workers: Set<Worker> = new Set()
  #wasOpen = false
  #closing: Promise<void> | undefined

  constructor(engine: Engine<Transaction>, timeoutMs: number) {
    this.#engine = engine
    this.#timeoutMs = timeoutMs
    this.#intake = new Intake(engine)
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
    return this.#intake.prepared(item)
  }

  async enqueue<I>(task: Task<I, any>, input: I, options?: EnqueueOptions<Transaction>): Promise<{ id: string }> {
    const [added] = await this.enqueueAll([{ task, input, options }])
    return added as { id: string }
  }

  async enqueueAll(items: readonly QueueItem<Transaction>[]): Promise<{ id: string }[]> {
    if (!Array.isArray(items)) refuse('items', 'an array of { task, input }', items, 'enqueue')
    const jobs = items.map((item) => this.#intake.prepared(item).job)
    // Of two with one name and id the first one counts, also here.
    const unique = new Map<string, Job<Transaction>>()
    for (const job of jobs) {
      const key = JSON.stringify([job.task.name, job.id])
      if (!unique.has(key)) unique.set(key, job)
    }
    if (jobs.length > 0) await this.#call('enqueue', (deadline) => this.#engine.send([...unique.values()], deadline))
    return jobs.map(({ id }) => ({ id }))
  }

  async get<O>(task: Task<any, O>, id: string): Promise<TaskRecord<O> | undefined> {
    checkTask(task, 'get the task')
    if (!isId(id)) refuse('id', 'a string that is not empty', id, `get the task '${task.name}'`)
    const find = this.#have(this.#engine.find, 'get')
    const found = await this.#call('get', (deadline) => find.call(this.#engine, task, id, deadline))
    return found && recordOf<O>(found, task.name, id)
  }

  async schedule<I>(task: Task<I, any>, cron: string, input: I, options: ScheduleOptions = {}): Promise<void> {
    checkTask(task, 'schedule the task')
    const what = `schedule the task '${task.name}'`
    const schedule = this.#have(this.#engine.schedule, 'schedule')
    const { key = task.name, timezone } = checkedSchedule(cron, options, this.limits.scheduleStepMs, what)
    task.parse(input)
    const text = this.#intake.envelope(input, {}, what)
    await this.#call(what, (deadline) => schedule.call(this.#engine, task, key, cron, timezone, text, deadline))
  }

  async unschedule(task: Task, key: string = task.name): Promise<void> {
    checkTask(task, 'unschedule the task')
    if (!isId(key)) refuse('key', 'a string that is not empty', key, `unschedule the task '${task.name}'`)
    const unschedule = this.#have(this.#engine.unschedule, 'schedule')
    await this.#call('unschedule', (deadline) => unschedule.call(this.#engine, task, key, deadline))
  }

  async work(tasks: readonly Task[], options?: WorkOptions): Promise<QueueWorker> {
    checkTasks(tasks, 'work')
    const consume = this.#have(this.#engine.consume, 'work')
    const { name, limits } = this.#engine
    const forget = (one: Worker): unknown => this.#workers.delete(one)
    const worker = new Worker({ name, limits, timeoutMs: this.#timeoutMs, forget }, workSettings(options))
    this.#workers.add(worker)
    try {
      for (const task of tasks) {
        const perform = worker.perform.bind(worker, task)
        const { concurrency } = worker.settings
        await worker.add(
          this.#call('work', (deadline) => consume.call(this.#engine, task, concurrency, perform, deadline)),
        )
      }
      this.#checkOpen('work')
    } catch (error) {
      await worker.close({ timeoutMs: 0 })
      throw error
    }
    return worker
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) worker.checkCaller()
    this.#closing ??= (async () => {
      await Promise.all([...this.#workers].map((worker) => worker.close({ timeoutMs: this.#timeoutMs })))
      await within(this.#timeoutMs, () => this.#engine.close()).catch(() => {})
    })()
    await this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Opens the engine, then calls it, both before the deadline. */
  async #call<R>(what: string, work: (deadline: Deadline) => Promise<R>): Promise<R> {
    this.#checkOpen(what)
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
      const { message, name } = errorOf(cause)
      const why = message || name
      throw new QueueError(`Cannot ${what} as the queue '${this.name}' is down or refuses: ${why}`, { cause })
    }
  }

  #checkOpen(what: string): void {
    if (this.#closing) throw new QueueError(`Cannot ${what} as the queue '${this.name}' is closed`)
  }

  /** A method of the engine, if it has that. */
  #have<M>(method: M | undefined, feature: QueueFeature): M {
    const reason = this.lacks[feature]
    if (method && reason === undefined) return method
    throw new QueueError(`Cannot ${feature} with the queue '${this.name}': ${reason}`)
  }
}
