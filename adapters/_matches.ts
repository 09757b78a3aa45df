/**
 * How an adapter tells its host.
 *
 * @module
 */
import type { Adapter, Call } from '../src/adapter.ts'

/** `matches` MUST NOT throw, but getters of the host may. */
export function matching(find: (call: Call) => unknown): NonNullable<Adapter['matches']> {
  return (call) => {
    try {
      return Boolean(find(call))
    } catch {
      return false
    }
  }
}
