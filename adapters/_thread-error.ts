/**
 * Errors on their way from a thread: a structured clone keeps neither the name of its own that an error has, nor its fields.
 *
 * @module
 */

type Packed = { readonly value: unknown } | { readonly error: Omit<Error, 'cause'>; readonly fields: object }

/** A form of what was thrown that survives the way. */
export function packed(thrown: unknown): Packed {
  if (!(thrown instanceof Error)) return { value: isCloneable(thrown) ? thrown : String(thrown) }
  const { name, message, stack } = thrown
  const fields = 'cause' in thrown ? { ...thrown, cause: thrown.cause } : { ...thrown }
  return { error: { name, message, stack: stack ?? '' }, fields: isCloneable(fields) ? fields : {} }
}

/** What was thrown, from its packed form. */
export function unpacked(packed: Packed): unknown {
  if ('value' in packed) return packed.value
  const { name, message, stack } = packed.error
  const hidden = (value: unknown): PropertyDescriptor => ({ value, configurable: true, writable: true })
  const error = Object.assign(new Error(message), packed.fields)
  return Object.defineProperties(error, { name: hidden(name), stack: hidden(stack) })
}

export function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}
