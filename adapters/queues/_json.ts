/**
 * The form in which a job travels, and what JSON can carry.
 *
 * @module
 */
import type { TraceContext } from '../../src/observer.ts'

type Path = readonly (string | number)[]

/** What is wrong with a value, and where. */
class JsonError extends Error {
  readonly path: Path

  constructor(message: string, path: Path) {
    super(message)
    this.path = path
  }
}

/**
 * The JSON text of a value that JSON brings back as it was; undefined for undefined. A property that is undefined is left
 * out, and -0 becomes 0: it equals that, and comes of arithmetic where nobody would expect a refusal.
 *
 * @param maxBytes how long the text may be, in bytes of UTF-8
 * @throws {JsonError} JSON would bring back something else, or it is too long
 */
export function encode(value: unknown, maxBytes: number): string | undefined {
  if (value === undefined) return undefined
  const path: (string | number)[] = []
  let text: string
  try {
    check(value, path, new Set())
    text = JSON.stringify(value)
  } catch (thrown) {
    if (thrown instanceof JsonError) throw thrown
    // A getter, or a proxy.
    throw new JsonError(`it threw '${errorOf(thrown).message}'`, path)
  }
  checkBytes(text, maxBytes)
  return text
}

/** @throws {JsonError} it is longer */
export function checkBytes(text: string, maxBytes: number): void {
  // No character takes more than three bytes for each of its units.
  if (text.length * 3 <= maxBytes) return
  const bytes = new TextEncoder().encode(text).length
  if (bytes > maxBytes) throw new JsonError(`it has ${bytes} bytes where ${maxBytes} are the limit`, [])
}

/** What was wrong, as an issue of a schema and as a sentence. */
export function problemOf(thrown: unknown): {
  readonly issue: { readonly message: string; readonly path: Path }
  readonly sentence: string
} {
  const path = thrown instanceof JsonError ? thrown.path : []
  const { message } = errorOf(thrown)
  const where = path.length > 0 ? `${path.join('.')}: ` : ''
  return { issue: { message, path }, sentence: `${where}${message}` }
}

function check(value: unknown, path: (string | number)[], parents: Set<object>): void {
  const refuse = (what: string): never => {
    throw new JsonError(`JSON cannot carry ${what}`, path)
  }
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return
  if (Number.isFinite(value)) return
  if (typeof value === 'number') refuse(String(value))
  if (typeof value !== 'object') refuse(value === undefined ? 'undefined in an array' : `a ${typeof value}`)
  const object = value as Record<string, unknown>
  if (parents.has(object)) refuse('a cycle')
  if (path.length > MAX_DEPTH) refuse(`more than ${MAX_DEPTH} levels`)
  parents.add(object)
  const prototype = classOf(object)
  if (prototype) refuse(`an object of the class ${prototype.constructor?.name || 'without a name'}`)
  if (typeof object['toJSON'] === 'function') refuse('an object with a toJSON')
  if (Object.getOwnPropertySymbols(object).length > 0) refuse('a property named by a symbol')
  if (Array.isArray(object)) {
    if (Object.keys(object).length > object.length) refuse('an array with properties')
    for (let index = 0; index < object.length; index++) {
      path.push(index)
      check(object[index], path, parents)
      path.pop()
    }
  } else {
    for (const key of Object.keys(object)) {
      path.push(key)
      const part = object[key]
      if (part !== undefined) check(part, path, parents)
      path.pop()
    }
  }
  parents.delete(object)
}

/** Undefined for a plain object or array. Told by how many prototypes it has, as those of another realm are not ours. */
function classOf(object: object): object | undefined {
  const own: object | null = Object.getPrototypeOf(object)
  const last: object | null = own && Array.isArray(object) ? Object.getPrototypeOf(own) : own
  return last && Object.getPrototypeOf(last) ? (own as object) : undefined
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
  try {
    if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown) }
    const { name, message, stack } = thrown
    return { name: String(name), message: String(message), stack: stack === undefined ? undefined : String(stack) }
  } catch {
    // An object without a prototype has no text; a getter or a proxy may throw.
    return { name: 'Error', message: 'what was thrown cannot be shown' }
  }
}
