/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A shutdown on any host: a signal comes, the responses end, the tasks are drained, all under one deadline; then the
 * process dies by that signal.
 *
 * @module
 */
import type { Drainable } from '../src/create-background-tasks.ts'
import { print } from '../src/errors.ts'
import type { TaskInfo } from '../src/observer.ts'
import { checked, milliseconds, type Rules, refuse } from '../src/rules.ts'
import { isFunction, newGate } from '../src/values.ts'

/** How a process is shut down. */
export interface GracefulShutdownOptions {
  /**
   * The signals that start it: any that a process can catch.
   *
   * @default ['SIGTERM', 'SIGINT']
   */
  signals?: readonly string[] | undefined
  /**
   * How long the running responses and the tasks may take together, in milliseconds, from 0 to 2^31-1; then both are cut
   * off. Shorter than the host waits before it kills the process (Docker: 10 s, Kubernetes: 30 s).
   *
   * @default 10_000
   */
  timeoutMs?: number | undefined
}

/** A server that can be stopped. */
export interface Stoppable {
  /** Accepts nothing more. Settles when the running responses have ended. */
  stop(): Promise<unknown>
  /** Cuts off what is still running. */
  cut(): void
}

/** What differs between hosts. */
export interface Host<S> {
  /** What a server is there, in words. */
  readonly expected: string
  /** The methods by which it is told. */
  readonly methods: readonly string[]
  /** Called before traffic. */
  watch(server: S): Stoppable
  on(signal: string, listener: () => void): void
  off(signal: string, listener: () => void): void
  /** Ends the process by the signal, unless somebody else listens to it. */
  raise(signal: string): void
}

const WHAT = 'shut down gracefully'
/** How long a drain may take to answer that its deadline was reached, in milliseconds. */
const GRACE_MS = 1000
const CATCHABLE = /^SIG(?!KILL$|STOP$)[A-Z]+\d*$/

const RULES: Rules = {
  signals: [
    ['SIGTERM', 'SIGINT'],
    "an array of names of signals that can be caught, such as 'SIGTERM'",
    (value) => Array.isArray(value) && value.every((name) => CATCHABLE.test(name)),
  ],
  timeoutMs: milliseconds(10_000),
}

/** The `gracefulShutdown` of a host. */
export function shutdownOn<S extends object>(
  host: Host<S>,
  server: S | readonly S[],
  drainables: Drainable | readonly Drainable[],
  options: GracefulShutdownOptions,
): Disposable {
  const drained = listOf('drainables', drainables, ['drain'], 'one or more objects with a `drain` method')
  const servers = listOf('server', server, host.methods, host.expected)
  const { signals, timeoutMs } = checked<{ signals: string[]; timeoutMs: number }>(RULES, options, WHAT)
  const stoppables = servers.map(host.watch)
  const listeners = new Map<string, () => void>()
  const off = (): void => {
    for (const [signal, listener] of listeners) host.off(signal, listener)
  }
  let deadline: AbortController | undefined
  let latest = ''
  // In the async context of this call: whoever emits the signal may be a task, and a drain of its own would be refused.
  const { promise, open } = newGate()
  promise.then(async () => {
    await shutDown(stoppables, drained, timeoutMs, deadline as AbortController)
    off()
    host.raise(latest)
  })
  const hear = (signal: string): void => {
    latest = signal
    // A second signal is the deadline.
    if (deadline) deadline.abort()
    deadline ??= new AbortController()
    open()
  }
  for (const signal of signals) listeners.set(signal, () => hear(signal))
  for (const [signal, listener] of listeners) host.on(signal, listener)
  return { [Symbol.dispose]: off }
}

/** Never rejects: what fails is printed, and the process has to end all the same. */
async function shutDown(
  servers: readonly Stoppable[],
  drainables: readonly Drainable[],
  timeoutMs: number,
  deadline: AbortController,
): Promise<void> {
  const { signal } = deadline
  const endsAt = performance.now() + timeoutMs
  // It keeps the process alive, which would otherwise end unreported where a task waits for nothing that the host knows.
  const timer = setTimeout(() => deadline.abort(), timeoutMs)
  const over = new Promise((resolve) => signal.addEventListener('abort', resolve))
  over.then(() => all('cutting off a server failed', servers, (server) => server.cut()))
  await Promise.race([over, all('stopping a server failed', servers, (server) => server.stop())])
  const abandoned: TaskInfo[] = []
  const drained = all('drain failed', drainables, async (drainable) => {
    const report = await drainable.drain({ timeoutMs: Math.max(0, endsAt - performance.now()), signal })
    abandoned.push(...report.abandoned)
  })
  let grace: ReturnType<typeof setTimeout> | undefined
  const late = over.then(() => new Promise((resolve) => (grace = setTimeout(resolve, GRACE_MS))))
  await Promise.race([drained, late])
  clearTimeout(timer)
  clearTimeout(grace)
  if (abandoned.length === 0) return
  const names = abandoned.map(({ id, name }) => `${name} (${id})`).join(', ')
  console.error(
    `background-tasks: shutdown abandoned ${abandoned.length} task${abandoned.length > 1 ? 's' : ''}: ${names}`,
  )
}

/** Does it to all of them at once; what fails is printed. */
function all<T>(failure: string, things: readonly T[], call: (thing: T) => unknown): Promise<unknown> {
  return Promise.all(
    things.map(async (thing) => call(thing)).map((call) => call.catch((error) => print(failure, error))),
  )
}

function listOf<T>(name: string, given: T | readonly T[], methods: readonly string[], expected: string): readonly T[] {
  const list = (Array.isArray(given) ? given : [given]) as readonly T[]
  const isBad = (value: any): boolean => !methods.every((method) => isFunction(value?.[method]))
  if (list.some(isBad)) refuse(name, expected, list.find(isBad), WHAT)
  return list
}
