/**
 * How options are checked: every object of options has a table of rules.
 *
 * @module
 */
import { show } from './values.ts'

/** For each option its default, what it must be in words, whether a value is that, and the rules of an object's parts. */
export type Rules = {
  readonly [name: string]: [fallback: unknown, expected: string, accepts: (value: any) => boolean, parts?: Rules]
}

/** Stands for the default of an option that has to be given. */
export const REQUIRED: unique symbol = Symbol('required')

export const isBoolean = (value: unknown): boolean => typeof value === 'boolean'
export const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The rule of a duration. setTimeout cannot wait longer. */
export const milliseconds = (fallback: number | undefined, least = 0): Rules[string] => [
  fallback,
  `a number of milliseconds from ${least} to 2^31-1`,
  (value) => typeof value === 'number' && value >= least && value <= 2 ** 31 - 1,
]

/** The rule of a choice. */
export const oneOf = (...names: string[]): [expected: string, accepts: (value: any) => boolean] => [
  names.map((name) => `'${name}'`).join(', '),
  (value) => names.includes(value),
]

/**
 * Checks the options, which are all that there may be, and fills in the defaults.
 *
 * @param what what cannot be done with bad ones, for the message
 * @param prefix where the options are, for the message
 * @throws {TypeError} an option is not what it must be
 */
export function checked<T>(rules: Rules, options: unknown, what: string, prefix = ''): T {
  if (!isObject(options)) refuse('options', 'an object', options, what)
  const unknown = Object.keys(options).find((name) => !(name in rules))
  if (unknown) throw new TypeError(`Cannot ${what} as there is no option '${prefix}${unknown}'`)
  return checkedPart(rules, options, what, prefix)
}

/** The same for whoever takes a part of what there may be, and leaves the rest to others. */
export function checkedPart<T>(rules: Rules, options: unknown, what: string, prefix = ''): T {
  if (!isObject(options)) refuse('options', 'an object', options, what)
  const entries = Object.entries(rules).map(([name, [fallback, expected, accepts, parts]]) => {
    const value = (options as Record<string, unknown>)[name]
    if (value === undefined ? fallback === REQUIRED : !accepts(value)) refuse(prefix + name, expected, value, what)
    return [name, value && parts ? checked(parts, value, what, `${name}.`) : (value ?? fallback)]
  })
  return Object.fromEntries(entries)
}

/** Throws the one sentence in which every bad option is refused. */
export function refuse(name: string, expected: string, value: unknown, what: string): never {
  throw new TypeError(`Cannot ${what} as '${name}' must be ${expected}: current value is ${show(value)}`)
}
