/**
 * One task: what holds it, and its call.
 *
 * @module
 */
import type { Scope } from './create-background-tasks.ts'
import type { TaskInfo } from './observer.ts'
import type { Run } from './run-list.ts'

/** What holds one task from `add` to its end. Small: a list may hold a million. */
export class Entry implements TaskInfo {
  /** Gone, with the arguments, once the task has ended. */
  work: ((...args: any[]) => unknown) | undefined
  args: unknown[] | undefined
  next: Entry | undefined
  attempt = 0
  ended = false
  /** As `performance.now()`; set only where somebody observes. */
  startedAt: number | undefined
  #id: string | undefined

  constructor(work: (...args: any[]) => unknown, args: unknown[]) {
    this.work = work
    this.args = args
  }

  get id(): string {
    return (this.#id ??= crypto.randomUUID())
  }

  get name(): string {
    // Of a remote procedure (Workers RPC) every property is a function.
    const name: unknown = this.work?.name
    return (typeof name === 'string' && name) || 'anonymous'
  }
}

interface AsyncLocalStorageLike {
  getStore(): unknown
  run<A extends unknown[], R>(store: unknown, fn: (...args: A) => R, ...args: A): R
}

/** The scope whose task is running: right now, and in the async context of that task. */
let scopeNow: Scope | undefined
let asyncScope: AsyncLocalStorageLike | null | undefined

/** Whether the caller is a task of this scope, as far as the host can tell. */
export function isInTaskOf(scope: Scope): boolean {
  return scopeNow === scope || asyncScope?.getStore() === scope
}

/** Runs the task; its end is told to the run. */
export function runTask(entry: Entry, run: Run): void {
  const outer = scopeNow
  scopeNow = run.scope
  // An async context costs a microsecond, and who never awaits has no need of one.
  const isAsync = (entry.work as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'AsyncFunction'
  if (isAsync && asyncScope === undefined) asyncScope = asyncLocalStorage()
  if (isAsync && asyncScope) asyncScope.run(scopeNow, attempt, entry, run)
  else attempt(entry, run)
  scopeNow = outer
}

function attempt(entry: Entry, run: Run): void {
  const { work, args } = entry as { work: (...args: unknown[]) => unknown; args: unknown[] }
  entry.attempt = 1
  if (run.scope.options.observer) entry.startedAt = performance.now()
  run.tell(entry, 'started')
  try {
    const result = work(...args)
    if ((typeof result !== 'object' || result === null) && typeof result !== 'function') run.end(entry, 'succeeded')
    // Promise.resolve is what tames a thenable: it may settle twice, or throw from `then`.
    else {
      Promise.resolve(result).then(
        () => run.end(entry, 'succeeded'),
        (error) => run.end(entry, 'failed', { error }),
      )
    }
  } catch (error) {
    run.end(entry, 'failed', { error })
  }
}

function asyncLocalStorage(): AsyncLocalStorageLike | null {
  const { process } = globalThis as { process?: any }
  // Before Node 24 its first use makes every await of the whole process about three times as slow.
  const hooks = Number.parseInt(process?.versions?.node, 10) >= 24 && process.getBuiltinModule?.('node:async_hooks')
  return hooks ? new hooks.AsyncLocalStorage() : null
}
