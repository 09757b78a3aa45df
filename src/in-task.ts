/**
 * Tells a drain that is called from inside one of its own tasks, where it would wait for itself.
 *
 * @module
 */
import type { Scope } from './create-background-tasks.ts'

interface AsyncLocalStorageLike {
  getStore(): unknown
  run<A extends unknown[], R>(store: unknown, fn: (...args: A) => R, ...args: A): R
}

/** What the async context of a task keeps. */
interface Store {
  scope: Scope | undefined
}

/** The scope whose task is running: right now, and in the async context of that task. */
let scopeNow: Scope | undefined
let asyncScope: AsyncLocalStorageLike | null | undefined

/** Whether the caller is a task of this scope, as far as the host can tell. */
export function isInTaskOf(scope: Scope): boolean {
  return scopeNow === scope || (asyncScope?.getStore() as Store | undefined)?.scope === scope
}

/** Calls the function of a task, or what disposes of a resource. */
export function callInTask(scope: Scope, work: (...args: unknown[]) => unknown, args: unknown[]): unknown {
  // An async context costs a microsecond, and who never awaits has no need of one.
  if (Object.getPrototypeOf(work) !== asyncFunction) return callNow(scope, work, args)
  if (asyncScope === undefined) asyncScope = asyncLocalStorage()
  if (!asyncScope) return callNow(scope, work, args)
  const store: Store = { scope }
  const result = asyncScope.run(store, callNow, scope, work, args) as Promise<unknown>
  // What the task has started, such as a timer, may drain once it is over.
  const over = (): void => {
    store.scope = undefined
  }
  result.then(over, over)
  return result
}

function callNow(scope: Scope, work: (...args: unknown[]) => unknown, args: unknown[]): unknown {
  const outer = scopeNow
  scopeNow = scope
  try {
    return work(...args)
  } finally {
    scopeNow = outer
  }
}

const asyncFunction: unknown = Object.getPrototypeOf(async () => {})

function asyncLocalStorage(): AsyncLocalStorageLike | null {
  const { process } = globalThis as { process?: any }
  // Before Node 24 its first use makes every await of the whole process about three times as slow.
  const hooks = Number.parseInt(process?.versions?.node, 10) >= 24 && process.getBuiltinModule?.('node:async_hooks')
  return hooks ? new hooks.AsyncLocalStorage() : null
}
