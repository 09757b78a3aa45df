import { announce } from './_announce.ts'

export interface Info {
  readonly completed: Promise<void>
}
interface DenoLike {
  serve(options: { hostname: string; port: number; onListen(address: { port: number }): void }, fetch: Fetch): unknown
}
type Fetch = (request: Request, info: Info) => Response | Promise<Response>

export function serve(fetch: Fetch): void {
  const { Deno } = globalThis as unknown as { Deno: DenoLike }
  Deno.serve({ hostname: '127.0.0.1', port: 0, onListen: ({ port }) => announce(port) }, fetch)
}
