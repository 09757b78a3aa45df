/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What all engines have in common: checks, envelopes, deadlines, workers.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import type {
  EnqueueOptions,
  QueueItem,
  QueueLimits,
  QueueWorker,
  ScheduleOptions,
  TaskQueue,
  TaskRecord,
  WorkOptions,
} from '../../src/queue.ts'
import { refuse } from '../../src/rules.ts'
import { EngineCalls } from './_calls.ts'
import type { Engine, EngineSettings, Job } from './_engine.ts'
import { checkedSchedule, checkTask, checkTasks, Intake, isId } from './_intake.ts'
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
  readonly #calls: EngineCalls<Transaction>
  readonly #workers: Set<Worker> = new Set()
  #closing: Promise<void> | undefined

  constructor(engine: Engine<Transaction>, timeoutMs: number) {
    this.#engine = engine
    this.#timeoutMs = timeoutMs
    this.#intake = new Intake(engine)
    this.#calls = new EngineCalls(engine, timeoutMs)
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
    return this.#calls.call('open', async () => {})
  }

  prepare(item: QueueItem<Transaction>): QueueItem<Transaction> {
    return this.#intake.prepare(item)
  }

  async enqueue<I>(task: Task<I, any>, input: I, options?: EnqueueOptions<Transaction>): Promise<{ id: string }> {
    const [added] = await this.enqueueAll([{ task, input, options }])
    return added as { id: string }
  }

  async enqueueAll(items: readonly QueueItem<Transaction>[]): Promise<{ id: string }[]> {
    if (!Array.isArray(items)) refuse('items', 'an array of { task, input }', items, 'enqueue')
    const jobs = items.map((item) => this.#intake.taken(item).job)
    // Of two with one name and id the first one counts, also here.
    const unique = new Map<string, Job<Transaction>>()
    for (const job of jobs) {
      const key = JSON.stringify([job.task.name, job.id])
      if (!unique.has(key)) unique.set(key, job)
    }
    if (jobs.length > 0)
      await this.#calls.call('enqueue', (deadline) => this.#engine.send([...unique.values()], deadline))
    return jobs.map(({ id }) => ({ id }))
  }

  async get<O>(task: Task<any, O>, id: string): Promise<TaskRecord<O> | undefined> {
    checkTask(task, 'get the task')
    if (!isId(id)) refuse('id', 'a string that is not empty', id, `get the task '${task.name}'`)
    const find = this.#calls.have(this.#engine.find, 'get')
    const found = await this.#calls.call('get', (deadline) => find.call(this.#engine, task, id, deadline))
    return found && recordOf<O>(found, task.name, id)
  }

  async schedule<I>(task: Task<I, any>, cron: string, input: I, options: ScheduleOptions = {}): Promise<void> {
    checkTask(task, 'schedule the task')
    const what = `schedule the task '${task.name}'`
    const schedule = this.#calls.have(this.#engine.schedule, 'schedule')
    const { key = task.name, timezone } = checkedSchedule(cron, options, this.limits.scheduleStepMs, what)
    task.parse(input)
    const text = this.#intake.envelope(input, {}, what)
    await this.#calls.call(
      what,
      (deadline) => schedule.call(this.#engine, task, key, cron, timezone, text, deadline),
      true,
    )
  }

  async unschedule(task: Task, key: string = task.name): Promise<void> {
    checkTask(task, 'unschedule the task')
    if (!isId(key)) refuse('key', 'a string that is not empty', key, `unschedule the task '${task.name}'`)
    const unschedule = this.#calls.have(this.#engine.unschedule, 'schedule')
    await this.#calls.call('unschedule', (deadline) => unschedule.call(this.#engine, task, key, deadline))
  }

  async work(tasks: readonly Task[], options?: WorkOptions): Promise<QueueWorker> {
    checkTasks(tasks, 'work')
    const consume = this.#calls.have(this.#engine.consume, 'work')
    for (const task of tasks) this.#engine.checkTask?.(task)
    const { name, limits } = this.#engine
    const forget = (one: Worker): unknown => this.#workers.delete(one)
    const worker = new Worker({ name, limits, timeoutMs: this.#timeoutMs, forget }, workSettings(options))
    this.#workers.add(worker)
    try {
      for (const task of tasks) {
        const perform = worker.perform.bind(worker, task)
        const { concurrency } = worker.settings
        await worker.add(
          this.#calls.call('work', (deadline) => consume.call(this.#engine, task, concurrency, perform, deadline)),
        )
      }
      this.#calls.checkOpen('work')
    } catch (error) {
      await worker.close({ timeoutMs: 0 })
      throw error
    }
    return worker
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) worker.checkCaller()
    this.#calls.refuse()
    this.#closing ??= (async () => {
      await Promise.all([...this.#workers].map((worker) => worker.close({ timeoutMs: this.#timeoutMs })))
      await this.#calls.close()
    })()
    await this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
