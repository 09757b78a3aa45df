/**
 * The contract between the core and a host: who keeps the host alive, and what tells that the response has left.
 *
 * @module
 */
import type { BackgroundTasks } from './background-tasks.ts'
import { print } from './errors.ts'
import { isPromise, isResponse } from './values.ts'

/**
 * How the response ended, as far as the host can tell.
 *
 * - `'flushed'`: every byte was handed to the operating system.
 * - `'returned'`: the response was handed to the host, which does not say more.
 * - `'aborted'`: the client left, or the body failed, before the end.
 */
export type Delivery = 'flushed' | 'returned' | 'aborted'

/** What is known about a handler's run when its tasks are about to start. */
export interface Outcome {
  /** The status of the response; undefined when there was none. */
  readonly status?: number | undefined
  /** Whether the handler threw, or rejected. */
  readonly threw: boolean
  /** What it threw. */
  readonly error?: unknown
  /** How the response ended; undefined before it has. */
  readonly delivery?: Delivery | undefined
}

/** One call of a wrapped handler, as an adapter sees it. */
export interface Call<P extends unknown[] = any[]> {
  /** The request; undefined where the host has an object of its own only (`tasksFor`). */
  readonly request: Request | undefined
  /** What the host passed after the request: `(env, ctx)` on Workers, `(info)` on Deno, `(env)` from @hono/node-server. */
  readonly platform: P
  /** The list of this call. */
  readonly tasks: BackgroundTasks
  /** The option `start`. */
  readonly start: 'auto' | 'response' | 'body'
}

/** A call that has no list yet. One object, as the adapter is given the same. */
export interface UnopenedCall extends Omit<Call, 'tasks'> {
  tasks: BackgroundTasks | undefined
}

/** A call that has one. */
export interface OpenedCall extends Call {
  tasks: BackgroundTasks
}

/** What a host may be unable to do. Each name is a column of the README's support table. */
export type HostFeature =
  /** Tasks start after the last byte of any body, without `start: 'body'`. */
  | 'lastByte'
  /** `outcome.delivery` tells that the client left. */
  | 'aborted'
  /** A CPU-bound task cannot hold back the tail of a body of more than 1 MB. */
  | 'largeBody'
  /** The host waits for the tasks by itself when it stops, without `drain`. */
  | 'keepAlive'
  /** A first `add` from inside a body producer still waits for the end of that body. */
  | 'addInBody'

/**
 * An adapter knows one host.
 *
 * - `start` MUST be called exactly once, whatever becomes of the client.
 * - `start` MUST NOT be called in the turn in which the handler returned; after the host's own signal there MUST be one
 *   more hop to a macrotask ({@link afterMacrotask}), or synchronous work in a task holds back the response.
 * - A Response that `afterResponse` gives back MUST keep status, statusText and headers.
 * - Methods of host objects MUST be looked up and called on the object at call time.
 * - An adapter MUST NOT touch `response.body` unless it really tracks that body.
 * - What the host cannot do MUST stand in `lacks`.
 */
export interface Adapter<P extends unknown[] = any[]> {
  /** The name of the host, for messages and tables. */
  readonly name: string
  /** What this host cannot do, with the reason. */
  readonly lacks?: Readonly<Partial<Record<HostFeature, string>>>
  /** Is this the host of that call? Used by detection only. MUST be cheap (property reads) and MUST NOT throw. */
  matches?(call: Call<P>): boolean
  /**
   * Keeps the host alive until `work` settles. Called once per run of a list, synchronously at its first `add`.
   * `work` never rejects. What this throws makes that `add` throw, with nothing queued.
   */
  keepAlive?(work: Promise<void>, call: Call<P>): void
  /** Calls `start` when the response has left as far as this host can tell. */
  afterResponse(
    start: (delivery: Delivery) => void,
    call: Call<P>,
    response: Response | undefined,
  ): Response | void | Promise<Response | void>
}

export const isDeno: boolean = 'Deno' in globalThis
// Taken once: a test's fake timers must not stop the tasks of the code under test.
const { setImmediate, setTimeout, clearTimeout } = globalThis as unknown as {
  setImmediate?: <T>(run: (value: T) => void, value: T) => unknown
  setTimeout: <T>(run: (value: T) => void, ms: number, value?: T) => unknown
  clearTimeout: (timer: unknown) => void
}

// Deno's lets no socket have its turn.
const immediate = isDeno ? undefined : setImmediate

/** Whether a macrotask costs next to nothing: a timer takes a millisecond. */
export const hopsAreCheap: boolean = immediate !== undefined

export const startTimer: (run: () => void, ms: number) => unknown = (run, ms) => setTimeout(run, ms)
export const stopTimer: (timer: unknown) => void = (timer) => clearTimeout(timer)

/**
 * Runs `run(value)` in a new macrotask: the event loop gets its turn first, so that bytes already written leave.
 *
 * @param run what to run
 * @param value what to call it with, which saves a closure
 */
export function afterMacrotask<T>(run: (value: T) => void, value: T): void {
  if (immediate) immediate(run, value)
  else setTimeout(run, 0, value)
}

/** Settles in a new macrotask. */
export const hop = (): Promise<void> => new Promise((resolve) => afterMacrotask(resolve, undefined))

/**
 * Asks an adapter to say when the response has left; one that fails costs nothing.
 *
 * @param response what the handler returned
 * @returns what has to be answered instead
 */
export function askStart(
  adapter: Adapter,
  start: (delivery: Delivery) => void,
  call: Call,
  response: unknown,
): unknown {
  try {
    const answer = adapter.afterResponse(start, call, isResponse(response) ? response : undefined)
    return isPromise(answer) ? askLater(answer, adapter, start, response) : (answer ?? response)
  } catch (error) {
    return startAnyway(error, adapter, start, response)
  }
}

async function askLater(
  answer: Promise<unknown>,
  adapter: Adapter,
  start: (delivery: Delivery) => void,
  response: unknown,
): Promise<unknown> {
  try {
    return (await answer) ?? response
  } catch (error) {
    return startAnyway(error, adapter, start, response)
  }
}

function startAnyway<T>(error: unknown, { name }: Adapter, start: (delivery: Delivery) => void, response: T): T {
  print(`adapter '${name}' failed`, error)
  afterMacrotask(start, 'returned')
  return response
}
