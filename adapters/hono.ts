/**
 * Middleware for Hono, on any host that Hono runs on.
 *
 * @module
 */
import type { Context, MiddlewareHandler } from 'hono'
import type { UnopenedCall } from '../src/adapter.ts'
import { type BackgroundTasks, settle } from '../src/background-tasks.ts'
import { type Drainable, Scope } from '../src/create-background-tasks.ts'
import type { BackgroundTasksOptions } from '../src/options.ts'
import { isOutgoing } from './_outgoing.ts'
import { detect } from './detect.ts'

/** What the middleware adds to the context. A type and no interface, which Hono before 4.9 would not take. */
export type BackgroundTasksVariables = {
  /** The list of this request. */
  tasks: BackgroundTasks
}

/**
 * Gives every request a list, `c.var.tasks`, whose tasks run once the response has left.
 *
 * An error that Hono turned into a response (`app.onError`, `HTTPException`) counts as the handler having thrown: its tasks
 * are discarded unless `runOn` says otherwise. `app.notFound` counts as a response.
 *
 * @example
 * ```ts
 * import { backgroundTasks } from 'background-tasks/hono'
 * import { Hono } from 'hono'
 *
 * const app = new Hono().use(backgroundTasks())
 * app.post('/signup', (c) => {
 *   c.var.tasks.add(console.log, 'welcome')
 *   return c.json({ ok: true })
 * })
 * ```
 *
 * @param options see `BackgroundTasksOptions`
 * @throws {TypeError} an option is not what it must be
 */
export function backgroundTasks(
  options?: BackgroundTasksOptions,
): MiddlewareHandler<{ Variables: BackgroundTasksVariables }> & Drainable {
  const scope = new Scope(options, detect)
  const middleware: MiddlewareHandler<{ Variables: BackgroundTasksVariables }> = async function backgroundTasks(
    c,
    next,
  ) {
    const call = scope.opened(new HonoCall(c, scope.options.start))
    c.set('tasks', call.tasks)
    try {
      await next()
    } catch (error) {
      await settle(call, undefined, { error })
      throw error
    }
    // Without a response Hono answers 500; a read of `c.res` would make one of 200.
    const res = c.finalized ? c.res : undefined
    const error = res ? c.error : new Error('the handler returned no response')
    // Most often the very same at once: an `await` would cost as much as all the rest of the middleware.
    const settled = settle(call, res, error && { error })
    const answer = settled === res ? res : ((await settled) as Response)
    if (answer === res) return
    // Hono merges the headers of a response that is replaced, unless it is gone first.
    c.res = undefined
    c.res = answer
  }
  return Object.assign(middleware, { drain: scope.drain.bind(scope) })
}

/**
 * Asked for its platform at the first `add`, as the answer may be dear. A class, as an object literal with a getter gets a
 * shape of its own each time, which keeps all of its request alive until a full garbage collection.
 */
class HonoCall implements UnopenedCall {
  readonly start: UnopenedCall['start']
  tasks: BackgroundTasks | undefined
  readonly #c: Context

  constructor(c: Context, start: UnopenedCall['start']) {
    this.#c = c
    this.start = start
  }

  get request(): Request {
    return this.#c.req.raw
  }

  get platform(): unknown[] {
    const { env } = this.#c
    // Hono's getter throws where the host passed no execution context, and an error costs more than all the rest of ours:
    // on Node, where there is none, it is not asked.
    if (isOnNodeServer(env)) return [env]
    try {
      return [env, this.#c.executionCtx]
    } catch {
      return [env]
    }
  }
}

function isOnNodeServer(env: any): boolean {
  try {
    return isOutgoing(env?.outgoing)
  } catch {
    // It throws for a name that it does not have.
    return false
  }
}
