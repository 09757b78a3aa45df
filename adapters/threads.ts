/**
 * Functions whose calls run in worker threads, for work that keeps a processor busy.
 *
 * @module
 */
import type { Drainable } from '../src/create-background-tasks.ts'
import type { TaskContext } from '../src/define-task.ts'
import { checked, milliseconds, type Rules, refuse } from '../src/rules.ts'
import { ThreadCalls } from './_thread-calls.ts'
import { open, type PiscinaModuleLike, processors } from './_thread-host.ts'
import { ThreadPool } from './_thread-pool.ts'

/** Options of {@link inThread}. */
export interface ThreadOptions {
  /**
   * How many calls run at once at most, each in a thread of its own; a positive integer. The others wait their turn.
   *
   * @default one less than the processors this process may use, at least 1
   */
  readonly threads?: number | undefined
  /**
   * How long a thread without work is kept, in milliseconds: 0 to 2^31-1. A new one takes some 50 ms to start.
   *
   * @default 10_000
   */
  readonly idleTimeoutMs?: number | undefined
}

/** What a function in a thread is told of its task, after the input. A signal cannot be sent: it ends the thread. */
export type ThreadTaskContext = Pick<TaskContext, 'id' | 'name' | 'attempt'>

/** A function whose calls run in a thread, and which can be drained. */
export type ThreadFunction<F extends (...args: any[]) => unknown> = ((
  ...args: Parameters<F>
) => Promise<Awaited<ReturnType<F>>>) &
  Drainable

type Settings = ThreadOptions & { readonly idleTimeoutMs: number }

const rules: Rules = {
  threads: [undefined, 'a positive integer', (value) => Number.isInteger(value) && value > 0],
  idleTimeoutMs: milliseconds(10_000),
}

/**
 * Gives a function whose calls run an export of a module in a worker thread, so that the event loop stays free. It needs
 * the package `piscina`, and Node, Bun, or Deno with `--allow-read --allow-env`; a bundler has to leave both packages out.
 *
 * Arguments and result are copied (structured clone), and so are errors, which keep their name, message, stack and fields.
 * A call that ends its thread (`process.exit`, an uncaught error, no memory left) rejects; the next one gets a new thread.
 *
 * As the `run` of a defined task, the export is called with the input and a {@link ThreadTaskContext}; the signal of the
 * task, at `timeoutMs` or the deadline of a drain, ends the thread, even where it never yields (on Deno it is given up at
 * once, but one that never yields goes on until the process ends).
 *
 * Functions without options share one pool; one with options has its own. No thread starts before the first call, and
 * none that is idle keeps the process alive. `drain` waits for the calls of this function, then ends the idle threads of
 * its pool; at its deadline it ends those calls and their threads. Afterwards new calls are welcome.
 *
 * @example
 * ```ts
 * import { withBackgroundTasks } from 'background-tasks'
 * import { inThread } from 'background-tasks/threads'
 *
 * // `inThread<typeof import('./resize.js').resize>(…)` knows its parameters.
 * const resize = inThread<(file: string, width: number) => void>(new URL('./resize.js', import.meta.url), 'resize')
 *
 * export const handler = withBackgroundTasks((_request, tasks) => {
 *   tasks.add(resize, 'photo.jpg', 800)
 *   return new Response('at once')
 * })
 * ```
 *
 * @param moduleUrl the module, as a `file:` URL
 * @param exportName which export of it
 * @param options see {@link ThreadOptions}
 * @returns the function, named like the export, or like the file of a default one
 * @throws {TypeError} an argument is not what it must be
 */
export function inThread<F extends (...args: any[]) => unknown = (...args: any[]) => unknown>(
  moduleUrl: URL | string,
  exportName = 'default',
  options?: ThreadOptions | undefined,
): ThreadFunction<F> {
  const url = String(moduleUrl)
  if (!url.startsWith('file:'))
    refuse('moduleUrl', "a file: URL, as of new URL('./module.js', import.meta.url)", url, WHAT)
  if (typeof exportName !== 'string') refuse('exportName', 'a string', exportName, WHAT)
  const calls = new ThreadCalls(options ? createPool(options) : (shared ??= createPool({})))
  const name = exportName === 'default' ? /([^/]*?)(\.\w+)?([?#].*)?$/.exec(url)?.[1] || url : exportName
  const run = async (...args: unknown[]): Promise<unknown> => {
    const controller = new AbortController()
    const context = args.at(-1)
    if (!isTaskContext(context))
      return calls.run({ id: crypto.randomUUID(), name, controller, job: { url, exportName, args } })
    const { id, attempt, signal } = context
    const abort = (): void => controller.abort(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    args.splice(-1, 1, { id, name: context.name, attempt })
    return calls.run({ id, name: context.name, controller, job: { url, exportName, args } })
  }
  Object.defineProperty(run, 'name', { value: name })
  return Object.assign(run, { drain: calls.drain.bind(calls) }) as ThreadFunction<F>
}

const WHAT = 'run in a thread'
let shared: ThreadPool | undefined

function createPool(options: ThreadOptions): ThreadPool {
  const { threads = Math.max(1, processors() - 1), idleTimeoutMs } = checked<Settings>(rules, options, WHAT)
  return new ThreadPool(() => open(load, threads, idleTimeoutMs), threads)
}

async function load(): Promise<PiscinaModuleLike> {
  try {
    // As unknown, as its types ask for those of Node, which must not be asked of everybody.
    const module: unknown = await import('piscina')
    return module as PiscinaModuleLike
  } catch (cause) {
    throw new Error("Cannot run in a thread as the package 'piscina' is not there: npm install piscina", { cause })
  }
}

/** By its shape. An argument with a signal could not be sent anyway. */
function isTaskContext(value: unknown): value is TaskContext {
  const { id, attempt, signal } = (value ?? {}) as Partial<TaskContext>
  return typeof id === 'string' && typeof attempt === 'number' && typeof signal?.aborted === 'boolean'
}
