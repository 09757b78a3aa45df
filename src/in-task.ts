/**
 * Tells a drain that is called from inside one of its own tasks, where it would wait for itself.
 *
 * @module
 */
interface AsyncLocalStorageLike {
  getStore(): unknown
  run<A extends unknown[], R>(store: unknown, fn: (...args: A) => R, ...args: A): R
}

/** What the async context of a task keeps. */
interface Store {
  owner: object | undefined
}

/** The wrapper, or worker, whose task is running: right now, and in the async context of that task. */
let ownerNow: object | undefined
let asyncOwner: AsyncLocalStorageLike | null | undefined

/** Whether the caller is a task of this wrapper or worker, as far as the host can tell. */
export function isInTaskOf(owner: object): boolean {
  return ownerNow === owner || (asyncOwner?.getStore() as Store | undefined)?.owner === owner
}

/** Calls the function of a task, or what disposes of a resource. */
export function callInTask(owner: object, work: (...args: unknown[]) => unknown, args: unknown[]): unknown {
  // An async context costs a microsecond, and who never awaits has no need of one.
  if (!(work instanceof AsyncFunction)) return callNow(owner, work, args)
  if (asyncOwner === undefined) asyncOwner = asyncLocalStorage()
  return asyncOwner ? callWithin(asyncOwner, owner, work, args) : callNow(owner, work, args)
}

function callWithin(
  asyncOwner: AsyncLocalStorageLike,
  owner: object,
  work: (...args: unknown[]) => unknown,
  args: unknown[],
): unknown {
  const store: Store = { owner }
  const result = asyncOwner.run(store, callNow, owner, work, args)
  // What the task has started, such as a timer, may drain once it is over.
  const over = (): void => {
    store.owner = undefined
  }
  // What passes for an async function (debounced ones do) may give anything.
  if (result instanceof AsyncPromise) result.then(over, over)
  else over()
  return result
}

function callNow(owner: object, work: (...args: unknown[]) => unknown, args: unknown[]): unknown {
  const outer = ownerNow
  ownerNow = owner
  try {
    // A spread would be the dearest part of the call.
    return args.length > 1 ? work(...args) : args.length === 1 ? work(args[0]) : work()
  } finally {
    ownerNow = outer
  }
}

const AsyncFunction = (async () => {}).constructor
// What they give, whatever somebody has put in the place of `Promise`.
const AsyncPromise = (async () => {})().constructor as PromiseConstructor

function asyncLocalStorage(): AsyncLocalStorageLike | null {
  const { process } = globalThis as { process?: any }
  // Before Node 24 its first use makes every await of the whole process about three times as slow.
  const hooks = Number.parseInt(process?.versions?.node, 10) >= 24 && process.getBuiltinModule?.('node:async_hooks')
  return hooks ? new hooks.AsyncLocalStorage() : null
}
