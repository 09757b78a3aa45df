/**
 * Reaches the list of the request from anywhere below its handler, by AsyncLocalStorage.
 *
 * Works on Node, Deno and Bun as it is, on Workers with the compatibility flag `nodejs_als` or `nodejs_compat`.
 *
 * @module
 */
import type { BackgroundTasks } from '../src/background-tasks.ts'
import { refuse } from '../src/rules.ts'
import type { HandlerWithTasks } from '../src/with-background-tasks.ts'

interface AsyncLocalStorageLike {
  getStore(): BackgroundTasks | undefined
  run<A extends unknown[], R>(store: BackgroundTasks, call: (...args: A) => R, ...args: A): R
}

interface AsyncHooksLike {
  readonly AsyncLocalStorage: new () => AsyncLocalStorageLike
}

/** The part of Hono's context that is used. */
export interface HonoContextLike {
  readonly var: { readonly tasks?: BackgroundTasks | undefined }
}

let storage: AsyncLocalStorageLike | undefined
/** Until it is known whether there is one. */
let loading: Promise<void> | undefined

function loaded(hooks: AsyncHooksLike | undefined): void {
  loading = undefined
  if (hooks) storage = new hooks.AsyncLocalStorage()
}

const { process } = globalThis as { process?: { getBuiltinModule?(name: string): AsyncHooksLike | undefined } }
loaded(process?.getBuiltinModule?.('node:async_hooks'))
// Workers with `nodejs_als` alone, and Node before 20.16. Neither a static import nor a top-level await: the one would
// fail without the flag before a word could be said, the other would refuse `require`. `then` with a second argument is
// what tells bundlers that the module may be missing. Workers have it before the first request.
// biome-ignore lint/suspicious/noTsIgnore: expected without Node's types only, which a project may have
// @ts-ignore: there are no types of Node here
if (!storage) loading = import('node:async_hooks').then(loaded, () => loaded(undefined))

/**
 * Gives all that the handler calls, and its tasks, the list of the request: {@link currentTasks}, {@link addTask}.
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { addTask, withTaskContext } from 'background-tasks/context'
 *
 * function signUp(email: string): void {
 *   addTask(console.log, 'welcome', email)
 * }
 *
 * export const handler = withBackgroundTasks(
 *   withTaskContext(async (request) => {
 *     signUp(await request.text())
 *     return new Response('signed up', { status: 201 })
 *   }),
 * )
 * ```
 *
 * @param handler what is given to `withBackgroundTasks`
 * @returns the same with a context; it throws an Error where the host has no AsyncLocalStorage, or where it was called
 * without a list
 * @throws {TypeError} `handler` is not a function
 */
export function withTaskContext<P extends unknown[] = any[], R extends Request = Request>(
  handler: HandlerWithTasks<P, R>,
): HandlerWithTasks<P, R> {
  if (typeof handler !== 'function') {
    refuse('handler', 'a function (request, tasks) => Response', handler, 'give the handler a task context')
  }
  return (request, tasks, ...platform) => {
    check(tasks, 'the handler got no list: wrap it, withBackgroundTasks(withTaskContext(handler))')
    return inContext(tasks, handler, request, tasks, ...platform)
  }
}

/**
 * The same as middleware of Hono, to be used after `backgroundTasks()`. It throws an Error where `c.var.tasks` is missing,
 * or where the host has no AsyncLocalStorage.
 *
 * @example
 * ```ts
 * import { addTask, taskContext } from 'background-tasks/context'
 * import { backgroundTasks } from 'background-tasks/hono'
 * import { Hono } from 'hono'
 *
 * function signUp(email: string): void {
 *   addTask(console.log, 'welcome', email)
 * }
 *
 * const app = new Hono().use(backgroundTasks(), taskContext())
 * app.post('/signup', async (c) => {
 *   signUp(await c.req.text())
 *   return c.text('signed up', 201)
 * })
 * ```
 */
export function taskContext(): (c: HonoContextLike, next: () => Promise<void>) => Promise<void> {
  return async function taskContext(c, next) {
    const { tasks } = c.var
    check(tasks, 'c.var.tasks is missing: use backgroundTasks() before it')
    await inContext(tasks, next)
  }
}

/** The list of the request that is being handled, or whose task is running; undefined outside of both. */
export function currentTasks(): BackgroundTasks | undefined {
  return storage?.getStore()
}

/**
 * Adds a task to the list of the request that is being handled: {@link BackgroundTasks.add}.
 *
 * @throws {Error} outside of a handler with a task context, and of its tasks
 */
export const addTask: BackgroundTasks['add'] = (...args: any): any => {
  const tasks = currentTasks()
  if (tasks) return tasks.add(...(args as Parameters<BackgroundTasks['add']>))
  throw new Error(
    `Cannot add the task as ${
      storage || loading
        ? 'no request is being handled here: wrap the handler, withBackgroundTasks(withTaskContext(handler)), or in Hono use taskContext() after backgroundTasks()'
        : MISSING
    }`,
  )
}

const MISSING = 'this host has no AsyncLocalStorage: on Workers set the compatibility flag nodejs_als or nodejs_compat'

/** By its shape: the list may come from another copy of the package. */
function check(tasks: BackgroundTasks | undefined, problem: string): asserts tasks {
  if (typeof tasks?.add !== 'function') throw new Error(`Cannot keep the list of tasks as ${problem}`)
}

function inContext<A extends unknown[], R>(
  tasks: BackgroundTasks,
  call: (...args: A) => R,
  ...args: A
): R | Promise<Awaited<R>> {
  if (storage) return storage.run(tasks, call, ...args)
  if (!loading) throw new Error(`Cannot keep the list of tasks as ${MISSING}`)
  return loading.then(() => inContext(tasks, call, ...args)) as Promise<Awaited<R>>
}
