/**
 * Time zones.
 *
 * @module
 */
import type { Rules } from '../src/rules.ts'

/** The rule of the option `timezone`. */
export const timezoneRule: Rules[string] = ['UTC', "an IANA time zone such as 'Europe/Vienna'", isTimezone]

function isTimezone(value: unknown): boolean {
  try {
    return typeof value === 'string' && Boolean(new Intl.DateTimeFormat('en', { timeZone: value }))
  } catch {
    return false
  }
}
