import { announce } from './_announce.ts'

interface BunLike {
  serve(options: { hostname: string; port: number; fetch: Fetch }): { port: number }
}
type Fetch = (request: Request, server: unknown) => Response | Promise<Response>

export function serve(fetch: Fetch): void {
  const { Bun } = globalThis as unknown as { Bun: BunLike }
  announce(Bun.serve({ hostname: '127.0.0.1', port: 0, fetch }).port)
}
