import { type BunServerLike, bun, gracefulShutdown } from '../../adapters/bun.ts'
import { withBackgroundTasks } from '../../src/index.ts'
import { respond, serveUntilSignal } from './_shutdown-app.ts'

interface Server extends BunServerLike {
  readonly port: number
  upgrade(request: Request): boolean
}

declare const Bun: { serve(options: object): Server }

const handler = withBackgroundTasks(respond, { adapter: bun() })
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  websocket: { message() {} },
  fetch(request: Request, upgrading: Server) {
    if (!request.url.endsWith('/upgrade')) return handler(request)
    upgrading.upgrade(request)
  },
})
serveUntilSignal(gracefulShutdown, server, server.port, handler)
