/**
 * How often a task is tried, and how long it waits in between.
 *
 * @module
 */
import { isFinal } from './errors.ts'
import { isObject, milliseconds, type Rules } from './rules.ts'

/** The policy for a task that fails. It keeps its place while it waits: with `concurrency: 1` the next task waits too. */
export interface RetryOptions {
  /**
   * How many tries there are, the first included: 1 or more.
   *
   * @default 3
   */
  readonly attempts?: number | undefined
  /**
   * How long the second try waits, in milliseconds: 0 to 2^31-1.
   *
   * @default 1000
   */
  readonly delayMs?: number | undefined
  /**
   * By what the delay is multiplied each time: 1 or more.
   *
   * @default 2
   */
  readonly factor?: number | undefined
  /**
   * The longest delay, in milliseconds: 0 to 2^31-1.
   *
   * @default 60000
   */
  readonly maxDelayMs?: number | undefined
  /**
   * Which part of a delay is left to chance, 0 to 1: at 1 ("full jitter") it lies between 0 and the whole, so that what
   * failed together does not come back together.
   * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
   *
   * @default 1
   */
  readonly jitter?: number | undefined
}

/** With the defaults filled in. */
export type RetryPolicy = { readonly [K in keyof RetryOptions]-?: number }

const rules: Rules = {
  attempts: [3, 'a positive integer', (value) => Number.isInteger(value) && value > 0],
  delayMs: milliseconds(1000),
  factor: [2, 'a number, 1 or more', (value) => typeof value === 'number' && value >= 1],
  maxDelayMs: milliseconds(60_000),
  jitter: [1, 'a number from 0 to 1', (value) => typeof value === 'number' && value >= 0 && value <= 1],
}

/** The rule of the option `retry` itself. */
export const retryRule: Rules[string] = [undefined, 'an object', isObject, rules]

/** How long to wait after a failed attempt, in milliseconds. */
export function backoffMs({ delayMs, factor, maxDelayMs, jitter }: RetryPolicy, attempt: number): number {
  // 0 times Infinity is no number.
  return delayMs && Math.min(maxDelayMs, delayMs * factor ** (attempt - 1)) * (1 - jitter * Math.random())
}

/** Whether an attempt that failed so is the last. */
export function isLast(retry: RetryPolicy | undefined, attempt: number, error: unknown): boolean {
  return !retry || attempt >= retry.attempts || isFinal(error)
}
