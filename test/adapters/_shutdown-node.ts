import { createServer, type RequestListener } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { backgroundTasks } from '../../adapters/hono.ts'
import { gracefulShutdown, tasksFor } from '../../adapters/node.ts'
import { answer, respond, serveUntilSignal } from './_shutdown-app.ts'
import { selfSigned } from './_shutdown-certificate.ts'

const address = { host: '127.0.0.1', hostname: '127.0.0.1', port: 0 }

const listener: RequestListener = async (request, res) => {
  const body = await answer(request.url ?? '', tasksFor(res))
  if (typeof body === 'object' && Symbol.asyncIterator in body) Readable.from(body).pipe(res)
  else res.end(body)
}

const servers = {
  http: () =>
    createServer(listener).on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    }),
  https: () => https.createServer(selfSigned(), listener),
  http2: () => http2.createServer(listener as never),
  'http2-secure': () => http2.createSecureServer({ ...selfSigned(), allowHTTP1: true }, listener as never),
}

const kind = process.argv[2] as keyof typeof servers | 'hono'
if (kind === 'hono') {
  const background = backgroundTasks()
  const app = new Hono().use(background).get('*', (c) => respond(c.req.raw, c.var.tasks))
  const server = serve({ fetch: app.fetch, ...address }, ({ port }) =>
    serveUntilSignal(gracefulShutdown, server, port, background),
  )
} else {
  const server = servers[kind]()
  server.listen(address, () =>
    serveUntilSignal(gracefulShutdown, server, (server.address() as AddressInfo).port, tasksFor),
  )
}
