import { type DenoServerLike, deno, gracefulShutdown } from '../../adapters/deno.ts'
import { withBackgroundTasks } from '../../src/index.ts'
import { respond, serveUntilSignal } from './_shutdown-app.ts'

declare const Deno: {
  serve(options: object, handler: unknown): DenoServerLike & { readonly addr: { readonly port: number } }
}

const handler = withBackgroundTasks(respond, { adapter: deno() })
const server = Deno.serve({ hostname: '127.0.0.1', port: 0, onListen() {} }, handler)
serveUntilSignal(gracefulShutdown, server, server.addr.port, handler)
