/** Tasks that fail in every way there is, and how each has to end. */
import { type BackgroundTasks, defineTask, NonRetryableError, type Task, type TaskEnd } from 'background-tasks'

/** What a task does beside failing, in its first attempt. */
type First = () => void

const LIMIT_MS = 5

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

const never = (): Promise<never> => new Promise(() => {})

const succeeding = {
  returns(first: First): void {
    first()
  },
  async resolves(first: First): Promise<void> {
    await turn()
    first()
    await turn()
  },
  resolvesTwice(first: First): object {
    return thenable((resolve) => {
      first()
      resolve()
      resolve()
    })
  },
  resolvesThenRejectsAndThrows(first: First): object {
    return thenable((resolve, reject) => {
      resolve()
      first()
      reject(new Error('too late'))
      throw new Error('too late as well')
    })
  },
}

const failing = {
  throws(first: First): never {
    first()
    throw new Error('a task threw')
  },
  throwsUndefined(first: First): never {
    first()
    throw undefined
  },
  async rejects(first: First): Promise<never> {
    await turn()
    first()
    throw new Error('a task rejected')
  },
  rejectsUndefined(first: First): Promise<never> {
    first()
    return Promise.reject(undefined)
  },
  rejectsThenResolves(first: First): object {
    return thenable((resolve, reject) => {
      first()
      reject(undefined)
      resolve()
    })
  },
  throwsFromThen(first: First): object {
    return {
      // biome-ignore lint/suspicious/noThenProperty: the point of it
      get then() {
        first()
        throw new Error('a then threw')
      },
    }
  },
}

function thenable(then: (resolve: () => void, reject: (error: unknown) => void) => void): object {
  return { then }
}

type Defined = { task: Task<First>; end?: TaskEnd; attempt?: number }

const defined = {
  'fails twice': {
    task: defineTask({
      name: 'fails twice',
      retry: { attempts: 3, delayMs: 2 },
      run(first: First, { attempt }) {
        first()
        if (attempt < 3) throw new Error('not yet')
      },
    }),
    end: 'succeeded',
    attempt: 3,
  },
  'fails always': {
    task: defineTask({
      name: 'fails always',
      retry: { attempts: 3, delayMs: 1, factor: 1 },
      run: (first: First) => Promise.reject(first()),
    }),
    end: 'failed',
    attempt: 3,
  },
  'fails for good': {
    task: defineTask({
      name: 'fails for good',
      retry: { attempts: 5 },
      async run(first: First) {
        first()
        throw new NonRetryableError('no use')
      },
    }),
    end: 'failed',
    attempt: 1,
  },
  hangs: {
    task: defineTask({
      name: 'hangs',
      timeoutMs: LIMIT_MS,
      retry: { attempts: 2, delayMs: 1 },
      run(first: First) {
        first()
        return never()
      },
    }),
    end: 'failed',
    attempt: 2,
  },
  'hangs once, then heeds its signal': {
    task: defineTask({
      name: 'hangs once, then heeds its signal',
      timeoutMs: LIMIT_MS,
      retry: { attempts: 2, delayMs: 1 },
      run(first: First, { attempt, signal }) {
        first()
        if (attempt > 1) return
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
    }),
    end: 'succeeded',
    attempt: 2,
  },
  // Late is when the limit has passed and the next attempt has not begun.
  'comes late': {
    task: defineTask({
      name: 'comes late',
      timeoutMs: LIMIT_MS,
      retry: { attempts: 2, delayMs: 10, jitter: 0 },
      run(first: First, { signal }) {
        first()
        return new Promise<void>((resolve) => signal.addEventListener('abort', () => setImmediate(resolve)))
      },
    }),
    end: 'failed',
    attempt: 2,
  },
  // Only a drain's deadline ends it.
  'hangs without limit': {
    task: defineTask({
      name: 'hangs without limit',
      run(first: First) {
        first()
        return never()
      },
    }),
    end: 'abandoned',
    attempt: 1,
  },
  'runs always': {
    task: defineTask({ name: 'runs always', runOn: 'always', run: succeeding.resolves }),
    end: 'succeeded',
    attempt: 1,
  },
  'runs on success': {
    task: defineTask({ name: 'runs on success', runOn: 'success', run: succeeding.returns }),
    end: 'succeeded',
    attempt: 1,
  },
  'runs when flushed': {
    task: defineTask({
      name: 'runs when flushed',
      runOn: ({ delivery }) => delivery === 'flushed',
      run: succeeding.returns,
    }),
    end: 'succeeded',
    attempt: 1,
  },
  'has a rule that throws': {
    task: defineTask({
      name: 'has a rule that throws',
      runOn: () => {
        rulesThrown++
        throw new Error('a rule threw')
      },
      run: succeeding.returns,
    }),
    end: 'discarded',
  },
} satisfies Record<string, Defined>

/** How often a `runOn` threw, which is printed each time. */
export let rulesThrown = 0

const functions: Record<string, (first: First) => unknown> = { ...succeeding, ...failing }
const definitions: Record<string, Defined> = defined

export type Kind = keyof typeof succeeding | keyof typeof failing | keyof typeof defined
export const kinds: readonly Kind[] = [...Object.keys(functions), ...Object.keys(definitions)] as Kind[]
export const limitless = 'hangs without limit' satisfies Kind

/** Adds a task of a kind. */
export function addTask(tasks: BackgroundTasks, kind: Kind, first: First): void {
  const work = functions[kind]
  let isFirst = true
  const once = (): void => {
    if (!isFirst) return
    isFirst = false
    first()
  }
  if (work) tasks.add(work, once)
  else tasks.add((definitions[kind] as Defined).task, once)
}

/** How a task ends that was started, with the number of its last attempt, where its wrapper gives it so many. */
export function endOf(
  name: string,
  wrapperAttempts: number,
): { end: TaskEnd | undefined; attempt: number | undefined } {
  const { end, attempt } = definitions[name] ?? {}
  if (end) return { end, attempt }
  return name in failing ? { end: 'failed', attempt: wrapperAttempts } : { end: 'succeeded', attempt: 1 }
}
