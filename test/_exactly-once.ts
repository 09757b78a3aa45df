/** Random tasks, and the book in which every event of theirs is entered and checked. */
import * as fc from 'fast-check'
import { expect } from 'vitest'
import type { BackgroundTasks, DrainReport, TaskEvent } from '../src/index.ts'
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

/** What one task does. */
export interface Plan {
  readonly ends: (typeof ends)[number] | 'hangs'
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
const { plan } = fc.letrec<{ plan: Plan }>((tie) => ({
  plan: fc.record({
    ...leaf,
    adds: fc.oneof({ maxDepth: 2 }, fc.constant([]), fc.array(tie('plan'), { maxLength: 3 })),
  }),
}))

export const plans: fc.Arbitrary<Plan[]> = fc.array(plan, { maxLength: 5 })

/** Whether only a deadline ends one of these. */
export function hangs(some: readonly Plan[]): boolean {
  return some.some((each) => each.ends === 'hangs' || hangs(each.adds))
}

/** All tasks of one wrapper. */
export class Book {
  readonly events: TaskEvent[] = []
  readonly #added: string[] = []
  readonly #called: string[] = []
  readonly #failing = new Set<string>()
  readonly #lists = new Set<BackgroundTasks>()
  /** Tasks under way that will end; an abandoned one is among them until it does. */
  #busy = 0

  add(tasks: BackgroundTasks, owner: number, some: readonly Plan[]): void {
    this.#lists.add(tasks)
    for (const each of some) {
      const name = `${owner}.${this.#added.length}`
      const task = (): unknown => {
        this.#called.push(name)
        return this.#perform(each, () => {
          if (each.clears) tasks.clear()
          this.add(tasks, owner, each.adds)
        })
      }
      Object.defineProperty(task, 'name', { value: name })
      this.#added.push(name)
      if (failing.includes(each.ends)) this.#failing.add(name)
      tasks.add(task)
    }
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
      const life = events.map(({ type }) => type).join(' ')
      const itsEnd = this.#failing.has(events[0]?.task.name ?? '') ? 'failed' : 'succeeded'
      expect(['added discarded', 'added abandoned', 'added started abandoned', `added started ${itsEnd}`]).toContain(
        life,
      )
    }
    for (const { size, pending } of this.#lists)
      expect({ size, pending }, 'nothing is left').toEqual({ size: 0, pending: [] })
    for (const events of Map.groupBy(this.events, ownerOf).values()) this.#checkOrder(events, concurrency)
  }

  /** The tasks of one list start in order of adding, and no more of them run at once than allowed. */
  #checkOrder(events: readonly TaskEvent[], concurrency: number): void {
    const numbers = events.filter(({ type }) => type === 'started').map(({ task }) => Number(task.name.split('.')[1]))
    expect(numbers, 'started in order of adding').toEqual(numbers.toSorted((a, b) => a - b))
    let running = 0
    for (const { type, attempt } of events) {
      if (type === 'started') running++
      else if (type !== 'added' && attempt) running--
      expect(running, 'running at once').toBeLessThanOrEqual(concurrency)
    }
  }

  /** The types of the events of one list's tasks. */
  typesOf(owner: number): TaskEvent['type'][] {
    return this.events.filter((event) => ownerOf(event) === owner).map(({ type }) => type)
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
