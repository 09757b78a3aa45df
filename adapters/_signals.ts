/**
 * How a process hears signals, and dies by one.
 *
 * @module
 */
import type { Host } from './_shutdown.ts'

/** `Deno`, or `process`. */
export interface RuntimeLike {
  readonly pid: number
  kill(pid: number, signal: string): unknown
  exit(code: number): unknown
}

interface ProcessLike extends RuntimeLike {
  on(signal: string, listener: () => void): unknown
  off(signal: string, listener: () => void): unknown
  listenerCount(signal: string): number
}

const NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 }

/** Ends the process by a signal that nobody listens to. */
export function dieBy(signal: string, runtime: RuntimeLike): void {
  // The first process of a container is deaf to a signal that it has no handler for: its exit code says it instead.
  if (runtime.pid === 1) runtime.exit(128 + (NUMBERS[signal] ?? 0))
  else runtime.kill(runtime.pid, signal)
}

const current = (): ProcessLike => (globalThis as unknown as { process: ProcessLike }).process

/** The signals of Node and Bun. */
export const processSignals: Pick<Host<never>, 'on' | 'off' | 'raise'> = {
  on(signal, listener) {
    current().on(signal, listener)
  },
  off(signal, listener) {
    current().off(signal, listener)
  },
  raise(signal) {
    if (current().listenerCount(signal) === 0) dieBy(signal, current())
  },
}
