/**
 * The form in which a job travels, and what JSON can carry.
 *
 * @module
 */
import type { TraceContext } from '../../src/observer.ts'

/** What is wrong with a value, and where. */
export interface JsonIssue {
  readonly message: string
  readonly path: readonly (string | number)[]
}

/**
 * The JSON text of a value that JSON brings back as it was; undefined for undefined. A property that is undefined is left
 * out.
 *
 * @param maxBytes how long the text may be, in bytes of UTF-8
 * @throws {JsonIssue} JSON would bring back something else, or it is too long
 */
export function encode(value: unknown, maxBytes: number): string | undefined {
  if (value === undefined) return undefined
  check(value, [], new Set())
  const text = JSON.stringify(value)
  checkBytes(text, maxBytes)
  return text
}

/** @throws {JsonIssue} it is longer */
export function checkBytes(text: string, maxBytes: number): void {
  // No character takes more than three bytes for each of its units.
  if (text.length * 3 <= maxBytes) return
  const bytes = new TextEncoder().encode(text).length
  if (bytes > maxBytes) throw { message: `it has ${bytes} bytes where ${maxBytes} are the limit`, path: [] }
}

/** What was wrong, as an issue and as a sentence. Also a getter of the value may have thrown. */
export function problemOf(thrown: unknown): { readonly issue: JsonIssue; readonly sentence: string } {
  const { message, path = [] } = thrown as Partial<JsonIssue>
  const where = path.length > 0 ? `${path.join('.')}: ` : ''
  return { issue: { message: String(message), path }, sentence: `${where}${message}` }
}

function check(value: unknown, path: (string | number)[], parents: Set<object>): void {
  const refuse = (what: string): never => {
    throw { message: `JSON cannot carry ${what}`, path: [...path] } satisfies JsonIssue
  }
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return
  if (Number.isFinite(value)) return
  if (typeof value === 'number') refuse(String(value))
  if (typeof value !== 'object') refuse(value === undefined ? 'undefined in an array' : `a ${typeof value}`)
  const object = value as Record<string, unknown>
  if (parents.has(object)) refuse('a cycle')
  if (path.length > MAX_DEPTH) refuse(`more than ${MAX_DEPTH} levels`)
  parents.add(object)
  if (Array.isArray(object)) {
    for (let index = 0; index < object.length; index++) {
      path.push(index)
      check(object[index], path, parents)
      path.pop()
    }
  } else {
    const prototype = Object.getPrototypeOf(object)
    // Also of another realm.
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      refuse(`an object of the class ${prototype.constructor?.name || 'without a name'}`)
    }
    if (Object.getOwnPropertySymbols(object).length > 0) refuse('a property named by a symbol')
    for (const key of Object.keys(object)) {
      path.push(key)
      if (object[key] !== undefined) check(object[key], path, parents)
      path.pop()
    }
  }
  parents.delete(object)
}

/** JSON.stringify recurses, and so do parsers elsewhere. */
const MAX_DEPTH = 500

/** What an engine keeps: input and result are JSON texts of their own, so that it never looks into them. */
export interface Envelope {
  readonly v: 1
  /** Left out of a schedule, where every tick is a job of its own. */
  readonly id?: string | undefined
  readonly input?: string | undefined
  readonly trace?: TraceContext | undefined
}

/** @throws {Error} it is no envelope of ours */
export function openEnvelope(text: string): Envelope {
  const envelope = JSON.parse(text) as Envelope | null
  if (envelope?.v !== 1)
    throw new Error('Cannot run a job whose envelope is not of version 1: was it made by this package?')
  return envelope
}

/** How a task ended, as an engine keeps it: JSON text. */
export interface Output {
  readonly result?: string | undefined
  readonly error?: { readonly name: string; readonly message: string; readonly stack?: string | undefined } | undefined
}

/** What is kept of whatever was thrown. */
export function errorOf(thrown: unknown): NonNullable<Output['error']> {
  if (!(thrown instanceof Error))
    return { name: 'Error', message: typeof thrown === 'string' ? thrown : String(thrown) }
  const { name, message, stack } = thrown
  return { name: String(name), message: String(message), stack: stack === undefined ? undefined : String(stack) }
}
