/** Random tasks, and the book in which every event of theirs is entered and checked. */
import * as fc from 'fast-check'
import { expect } from 'vitest'
import {
  type BackgroundTasks,
  type DrainReport,
  defineTask,
  type FailedTask,
  NonRetryableError,
  type RunOn,
  type TaskEvent,
} from '../src/index.ts'
import { endsOf, turn } from './_wrapped.ts'

const ends = [
  'returns',
  'returns an object',
  'throws',
  'throws undefined',
  'resolves',
  'rejects',
  'thenable that settles twice and throws',
  'thenable whose then throws',
] as const

const ruleNames = ['response', 'success', 'always', 'yes', 'no', 'throws'] as const

/** The last three stand for functions. */
export type RuleName = (typeof ruleNames)[number]
export const ruleName: fc.Arbitrary<RuleName> = fc.constantFrom(...ruleNames)

export function ruleOf(name: RuleName): RunOn {
  if (name === 'yes') return () => true
  if (name === 'no') return () => false
  if (name !== 'throws') return name
  return () => {
    throw new Error('runOn threw')
  }
}

/** What makes a defined task of one. */
export interface PlanPolicy {
  readonly attempts: number | undefined
  readonly timeoutMs: number | undefined
  readonly runOn: RuleName | undefined
  /** Attempts that fail before it does what it does. */
  readonly failsFirst: number
  /** Whether these fail for good. */
  readonly isFinal: boolean
}

const disposals = ['sync', 'async', 'throws', 'rejects'] as const

/** What one task does. */
export interface Plan {
  readonly ends: (typeof ends)[number] | 'hangs'
  /** Undefined for a function. */
  readonly policy?: PlanPolicy | undefined
  /** A resource it uses when it has added its tasks. */
  readonly uses?: (typeof disposals)[number] | undefined
  /** Turns of the event loop that an async one takes. */
  readonly turns: number
  /** Whether it clears the list, before it adds. */
  readonly clears: boolean
  /** The tasks that it adds, last of all it does. */
  readonly adds: readonly Plan[]
}

const failing: readonly string[] = [
  'throws',
  'throws undefined',
  'rejects',
  'thenable whose then throws',
] satisfies Plan['ends'][]

const leaf = {
  ends: fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...ends) },
    { weight: 1, arbitrary: fc.constant('hangs' as const) },
  ),
  turns: fc.nat(3),
  clears: fc.oneof({ weight: 15, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
}

function plansOf(more: fc.Arbitrary<Pick<Plan, 'policy' | 'uses'>>): fc.Arbitrary<Plan[]> {
  const { plan } = fc.letrec<{ plan: Plan }>((tie) => {
    const adds = fc.oneof({ maxDepth: 2 }, fc.constant([]), fc.array(tie('plan'), { maxLength: 3 }))
    return { plan: fc.tuple(fc.record({ ...leaf, adds }), more).map(([each, also]) => ({ ...each, ...also })) }
  })
  return fc.array(plan, { maxLength: 5 })
}

export const resource: fc.Arbitrary<Plan['uses']> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constantFrom(...disposals) },
)
const policy = fc.record({
  attempts: fc.constantFrom(undefined, 1, 2, 3),
  timeoutMs: fc.constantFrom(undefined, undefined, 1, 1000),
  runOn: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: ruleName }),
  failsFirst: fc.constantFrom(0, 0, 1, 2),
  isFinal: fc.boolean(),
})

/** Functions. */
export const plans: fc.Arbitrary<Plan[]> = plansOf(fc.constant({}))
/** Functions and defined tasks, which use resources. */
export const plansWithPolicy: fc.Arbitrary<Plan[]> = plansOf(
  fc.record({ policy: fc.option(policy, { nil: undefined }), uses: resource }),
)

/** Whether only a deadline ends one of these, or a limit that is as long as several of them must not wait for. */
export function hangs(some: readonly Plan[], timeoutMs = 1000): boolean {
  return some.some(
    (each) => (each.ends === 'hangs' && (each.policy?.timeoutMs ?? timeoutMs) >= 1000) || hangs(each.adds, timeoutMs),
  )
}

/** What a wrapper's options say for every task. */
interface Defaults {
  readonly attempts?: number | undefined
  readonly timeoutMs?: number | undefined
}

/** All tasks of one wrapper. */
export class Book {
  readonly events: TaskEvent[] = []
  readonly #added: string[] = []
  readonly #called: string[] = []
  readonly #plans = new Map<string, Plan>()
  readonly #lists = new Set<BackgroundTasks>()
  readonly #resources: { name: string; fails: boolean; disposals: number; unsettledThen: number }[] = []
  readonly #failures: FailedTask[] = []
  readonly #defaults: Defaults
  /** Tasks and disposers under way that will end; an abandoned one is among them until it does. */
  #busy = 0

  constructor(defaults: Defaults = {}) {
    this.#defaults = defaults
  }

  add(tasks: BackgroundTasks, owner: number, some: readonly Plan[]): void {
    this.#lists.add(tasks)
    for (const each of some) {
      const name = `${owner}.${this.#added.length}`
      const task = (attempt?: number): unknown => {
        this.#called.push(name)
        if (attempt && each.policy && attempt <= each.policy.failsFirst) return this.#fail(each.policy, attempt)
        return this.#perform(each, () => {
          if (each.clears) tasks.clear()
          this.add(tasks, owner, each.adds)
          this.use(tasks, each.uses)
        })
      }
      Object.defineProperty(task, 'name', { value: name })
      this.#added.push(name)
      this.#plans.set(name, each)
      if (each.policy) this.#addDefined(tasks, name, each.policy, task)
      else tasks.add(task)
    }
  }

  #addDefined(tasks: BackgroundTasks, name: string, policy: PlanPolicy, task: (attempt: number) => unknown): void {
    const { attempts, timeoutMs, runOn } = policy
    const retry = attempts ? { attempts, delayMs: 2 } : undefined
    const run = (id: string, context: { id: string; attempt: number }): unknown => {
      expect(context.id).toBe(id)
      return task(context.attempt)
    }
    const id = `id of ${name}`
    tasks.add(defineTask({ name, retry, timeoutMs, runOn: runOn && ruleOf(runOn), run }), id, { id })
  }

  #fail({ isFinal }: PlanPolicy, attempt: number): unknown {
    const error = isFinal ? new NonRetryableError('for good') : new Error('an early attempt')
    if (attempt === 1) return Promise.reject(error)
    throw error
  }

  /** Uses a resource of this kind, if any. */
  use(tasks: BackgroundTasks, kind: Plan['uses']): void {
    if (!kind) return
    this.#lists.add(tasks)
    const fails = kind === 'throws' || kind === 'rejects'
    const used = { name: `${kind} ${this.#resources.length}`, fails, disposals: 0, unsettledThen: 0 }
    this.#resources.push(used)
    const dispose = (): void => {
      used.disposals++
      used.unsettledThen = tasks.size
      if (kind === 'throws') throw new Error('a disposer threw')
    }
    const disposeLater = (): Promise<void> => {
      dispose()
      return this.#later(1, () => {
        if (kind === 'rejects') throw new Error('a disposer rejected')
      })
    }
    if (kind === 'async' || kind === 'rejects') tasks.use({ [Symbol.asyncDispose]: disposeLater })
    else tasks.use({ [Symbol.dispose]: dispose })
  }

  /** To be told of what is told to `onError`. */
  failed(task: FailedTask): void {
    this.#failures.push(task)
  }

  /** The rule of its own that a task has. */
  ruleOf({ name }: TaskEvent['task']): RuleName | undefined {
    return this.#plans.get(name)?.policy?.runOn
  }

  /** Whether a task is unsettled. */
  get isUnsettled(): boolean {
    return [...this.#lists].some(({ size }) => size > 0)
  }

  #perform({ ends, turns }: Plan, finish: () => void): unknown {
    switch (ends) {
      case 'returns':
        return finish()
      case 'returns an object':
        finish()
        return {}
      case 'throws':
        finish()
        throw new Error('a task threw')
      case 'throws undefined':
        finish()
        throw undefined
      case 'resolves':
        return this.#later(turns, finish)
      case 'rejects':
        return this.#later(turns, () => {
          finish()
          throw new Error('a task rejected')
        })
      case 'thenable that settles twice and throws':
        return {
          // biome-ignore lint/suspicious/noThenProperty: the point of it
          then(resolve: () => void, reject: (error: unknown) => void) {
            finish()
            resolve()
            reject(new Error('too late'))
            throw new Error('too late as well')
          },
        }
      case 'thenable whose then throws':
        return {
          // biome-ignore lint/suspicious/noThenProperty: the point of it
          get then() {
            finish()
            throw new Error('a then threw')
          },
        }
      case 'hangs':
        finish()
        return new Promise(() => {})
    }
  }

  async #later(turns: number, finish: () => void): Promise<void> {
    this.#busy++
    try {
      for (let i = 0; i < turns; i++) await turn()
      finish()
    } finally {
      this.#busy--
    }
  }

  /** Waits for the tasks that were given up but still run, as they may add more. */
  async quiet(): Promise<void> {
    while (this.#busy > 0) await turn()
  }

  /** Drains, and compares the report with the events that came meanwhile. */
  async drain(drain: () => Promise<DrainReport>): Promise<void> {
    const from = this.events.length
    const report = await drain()
    const ended = endsOf(this.events.slice(from))
    const count = (type: string): number => ended.filter((event) => event.type === type).length
    expect(report, 'the report tells what the events told').toEqual({
      succeeded: count('succeeded'),
      failed: count('failed'),
      discarded: count('discarded'),
      abandoned: ended.filter(({ type }) => type === 'abandoned').map(({ task }) => task),
    })
  }

  /** Checks what holds whatever happened, once nothing is under way. */
  check(concurrency: number): void {
    expect(this.#typed('added'), 'every task that was added is told, in order').toEqual(this.#added)
    expect(this.#typed('started'), 'what was told as started was called, once').toEqual(this.#called)
    const byTask = Map.groupBy(this.events, ({ task }) => task.id)
    expect(byTask.size, 'every task has an id of its own').toBe(this.#added.length)
    for (const events of byTask.values()) {
      const { type = '' } = endsOf(events)[0] ?? {}
      const life = events.map((event) => event.type).join(' ')
      expect(life, 'attempt by attempt, one end').toMatch(
        /^added (discarded|abandoned|started( retrying started)*( (succeeded|failed|abandoned)| retrying abandoned))$/,
      )
      const attempts = events.filter((event) => event.type === 'started').map(({ attempt }) => attempt)
      expect(attempts, 'numbered from 1').toEqual(attempts.map((_, i) => i + 1))
      const plan = this.#plans.get(events[0]?.task.name ?? '') as Plan
      if (type === 'succeeded' || type === 'failed') {
        expect(this.#lives(plan), `of ${JSON.stringify(plan)}`).toContain(`${type} ${attempts.length}`)
      }
    }
    for (const { name, disposals } of this.#resources) expect(disposals, `${name} is disposed of once`).toBe(1)
    for (const { size, pending } of this.#lists)
      expect({ size, pending }, 'nothing is left').toEqual({ size: 0, pending: [] })
    for (const events of Map.groupBy(this.events, ownerOf).values()) this.#checkOrder(events, concurrency)
  }

  /** Checks what `onError` was told of. */
  checkReports(): void {
    const failed = endsOf(this.events).filter(({ type }) => type === 'failed')
    const disposers = this.#failures.filter(({ name }) => name.startsWith('dispose '))
    expect(
      this.#failures.filter((task) => !disposers.includes(task)),
      'every failed task is reported, once',
    ).toEqual(failed.map(({ task, attempt }) => ({ ...task, attempt })))
    expect(disposers.length, 'every disposer that failed is reported, once').toBe(
      this.#resources.filter(({ fails }) => fails).length,
    )
  }

  /** Checks what holds where no deadline has cut anything off. */
  checkDisposals(): void {
    for (const { name, unsettledThen } of this.#resources) expect(unsettledThen, `${name}, after the last task`).toBe(0)
  }

  /** How a task may end after how many attempts, said anew and simply. */
  #lives({ ends, policy }: Plan): string[] {
    const attempts = policy?.attempts ?? this.#defaults.attempts ?? 1
    const timeoutMs = policy?.timeoutMs ?? this.#defaults.timeoutMs
    const failsFirst = policy?.failsFirst ?? 0
    const failsAlways = failing.includes(ends) || ends === 'hangs'
    const isFinal = failsFirst > 0 && policy?.isFinal
    const without = isFinal
      ? 'failed 1'
      : failsAlways || failsFirst >= attempts
        ? `failed ${attempts}`
        : `succeeded ${failsFirst + 1}`
    if (!timeoutMs || timeoutMs >= 1000) return [without]
    // A limit may strike at any attempt that takes more than a turn.
    const succeeds = Array.from({ length: attempts }, (_, i) => `succeeded ${i + 1}`)
    return [without, `failed ${attempts}`, ...(failsAlways ? [] : succeeds)]
  }

  /** The tasks of one list start in order of adding, and no more of them run at once than allowed. */
  #checkOrder(events: readonly TaskEvent[], concurrency: number): void {
    const isFirst = ({ type, attempt }: TaskEvent): boolean => type === 'started' && attempt === 1
    const numbers = events.filter(isFirst).map(({ task }) => Number(task.name.split('.')[1]))
    expect(numbers, 'started in order of adding').toEqual(numbers.toSorted((a, b) => a - b))
    let running = 0
    for (const event of events) {
      // It keeps its place while it waits for another attempt.
      if (isFirst(event)) running++
      else if (event.attempt && endsOf([event]).length > 0) running--
      expect(running, 'running at once').toBeLessThanOrEqual(concurrency)
    }
  }

  /** The events of one list's tasks. */
  eventsOf(owner: number): TaskEvent[] {
    return this.events.filter((event) => ownerOf(event) === owner)
  }

  #typed(type: TaskEvent['type']): string[] {
    return this.events.filter((event) => event.type === type).map(({ task }) => task.name)
  }
}

function ownerOf({ task }: TaskEvent): number {
  return Number(task.name.split('.')[0])
}

/** Settings of a property: another seed each time, which is printed; FC_SEED repeats a run. */
export function drawn(numRuns: number): Omit<fc.Parameters<unknown>, 'examples' | 'reporter' | 'asyncReporter'> {
  const seed = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31)
  console.info(`drawn with FC_SEED=${seed}`)
  // What ends a search for the smallest schedule that hangs.
  return { seed, numRuns, timeout: 5000, interruptAfterTimeLimit: 60_000 }
}
