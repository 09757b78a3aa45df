/**
 * What a value is, how it is shown in a message; and a promise to be settled from outside.
 *
 * @module
 */

/** Shows a value in a message, shortly. */
export function show(value: unknown): string {
  if (typeof value === 'function') return `function ${value.name || 'anonymous'}`
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value)
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)
}

export const isFunction = (value: unknown): value is (...args: any[]) => unknown => typeof value === 'function'

export function isPromise<T>(value: T | PromiseLike<T>): value is Promise<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === 'function'
}

// By its shape: a Response may come from another realm, or be a server's own light-weight class.
export function isResponse(value: unknown): value is Response {
  return typeof value === 'object' && value !== null && 'headers' in value && 'status' in value
}

let resolveOfLast: ((value: any) => void) | undefined

// Shared by all promises: a closure for each is what a request with one task leaves to the collector.
function takeResolve(resolve: (value: any) => void): void {
  resolveOfLast = resolve
}

/** A promise, and what settles it. */
export interface Gate<T> {
  readonly promise: Promise<T>
  readonly open: (value: T) => void
}

export function newGate<T = void>(): Gate<T> {
  const promise = new Promise<T>(takeResolve)
  const open = resolveOfLast as (value: T) => void
  // It would keep the promise, and all that waits for it.
  resolveOfLast = undefined
  return { promise, open }
}
