import { type ServerRequest, serve as serveOnSrvx } from 'srvx'
import { announce } from './_announce.ts'

/** Also for h3, which srvx serves. */
export async function serve(fetch: (request: ServerRequest) => Response | Promise<Response>): Promise<void> {
  const server = await serveOnSrvx({ fetch, hostname: '127.0.0.1', port: 0, silent: true }).ready()
  announce(Number(new URL(server.url as string).port))
}
