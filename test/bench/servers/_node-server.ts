import { type HttpBindings, serve as serveOnNode } from '@hono/node-server'
import { announce } from './_announce.ts'

type Fetch = (request: Request, env: HttpBindings) => Response | Promise<Response>

export function serve(fetch: Fetch): void {
  serveOnNode({ fetch: fetch as never, hostname: '127.0.0.1', port: 0 }, ({ port }) => announce(port))
}
