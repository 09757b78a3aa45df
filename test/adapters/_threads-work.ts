/** What the tests of threads run in a thread. */
import { isMainThread, threadId } from 'node:worker_threads'

/** Burns a processor, without ever giving the event loop a turn. */
export default function burn(ms: number): boolean {
  const end = performance.now() + ms
  while (performance.now() < end);
  return isMainThread
}

/** Counts up for ever, in memory that is shared. */
export function count(counter: Int32Array): void {
  for (;;) Atomics.add(counter, 0, 1)
}

/** Goes on counting when the call is over. */
export function ticks(counter: Int32Array): void {
  setInterval(() => Atomics.add(counter, 0, 1), 1)
}

export async function joined(first: string, second: number, ...rest: readonly string[]): Promise<string> {
  await Promise.resolve()
  return [first, second, ...rest].join()
}

export function told(input: unknown, ...context: unknown[]): unknown[] {
  return [input, ...context]
}

export function thread(): number {
  return threadId
}

export function waits(ms: number): Promise<number> {
  return new Promise((resolve) => setTimeout(resolve, ms, threadId))
}

export function fails(): never {
  throw Object.assign(new RangeError('too wide', { cause: 'the cause' }), { name: 'NonRetryableError', code: 'E_WIDE' })
}

export function failsWith(kind: 'text' | 'function' | 'field'): never {
  if (kind === 'field') throw Object.assign(new Error('it has a function'), { retry: () => {} })
  throw kind === 'text' ? 'a text' : { toString: () => 'an object with a function' }
}

export function exits(): never {
  process.exit(3)
}

export function crashes(): Promise<never> {
  return new Promise(() => {
    setTimeout(() => {
      throw new Error('nobody caught this')
    })
  })
}

export function crashesLater(): void {
  setTimeout(() => {
    throw new Error('long after the call')
  })
}

export function fillsMemory(): never {
  for (const all: object[] = []; ; ) all.push(new Array(100_000).fill({}))
}

export function givesFunction(): () => void {
  return () => {}
}

export const noFunction = 1

const exported: Record<string, (...args: any[]) => unknown> = {
  count,
  crashes,
  crashesLater,
  exits,
  fails,
  failsWith,
  fillsMemory,
  givesFunction,
  thread,
  ticks,
  waits,
}

/** Any of them, in the threads of one pool. */
export function perform(name: string, ...args: unknown[]): unknown {
  return exported[name]?.(...args)
}
