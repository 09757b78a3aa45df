import { countRounds } from './_work.ts'

export interface Context {
  waitUntil(promise: Promise<unknown>): void
}
interface Env {
  /** How often this machine can spin in a millisecond. */
  readonly ROUNDS: number
}
type Fetch = (request: Request, env: Env, context: Context) => Response | Promise<Response>

export function worker(fetch: Fetch): { fetch: Fetch } {
  return {
    fetch(request, env, context) {
      countRounds(env.ROUNDS)
      return fetch(request, env, context)
    },
  }
}
