/**
 * What a value is, and how it is shown in a message.
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
