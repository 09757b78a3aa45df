/**
 * Stops a server of Node.
 *
 * @module
 */
import type { Stoppable } from './_shutdown.ts'

/** The members that are used of a server of `node:http`, `node:https` or `node:http2`. */
export interface NodeServerLike {
  close(callback: () => void): unknown
  on(event: string, listener: (...args: any[]) => void): unknown
  prependListener(event: string, listener: (...args: any[]) => void): unknown
  listenerCount(event: string): number
  closeIdleConnections?(): void
}

interface SocketLike {
  /** With TLS, what was decrypted. */
  readonly bytesRead: number
  once(event: 'close', listener: () => void): unknown
  destroy(): unknown
  destroySoon(): unknown
}

interface RequestLike {
  readonly httpVersionMajor: number
  readonly socket: SocketLike
  once(event: 'close', listener: () => void): unknown
}

interface ResponseLike {
  readonly headersSent: boolean
  setHeader(name: string, value: string): unknown
  once(event: 'close', listener: () => void): unknown
}

interface SessionLike {
  close(): void
  once(event: 'close', listener: () => void): unknown
}

/** What is known of a connection. */
interface Connection {
  readonly socket: SocketLike
  /** How many responses have not left. */
  running: number
  /** The last of them: an earlier one that said `Connection: close` would cut it off. */
  last: ResponseLike | undefined
  /** How much had been read when nothing was running. */
  read: number
}

/**
 * Called before traffic, as it does not trust Node's own idea of an idle connection: `closeIdleConnections`, and so
 * `close`, cuts off a response that was ended and has not left yet, and before Node 26 passes over a connection on which
 * nothing came, such as browsers open.
 */
export function nodeServer(server: NodeServerLike): Stoppable {
  const connections = new Map<SocketLike, Connection>()
  const sessions = new Set<SessionLike>()
  let closing = false
  let connectionClosed = (): void => {}

  const onConnection = (socket: SocketLike): void => {
    const connection: Connection = { socket, running: 0, last: undefined, read: 0 }
    connections.set(socket, connection)
    socket.once('close', () => {
      connections.delete(socket)
      connectionClosed()
    })
  }
  const onRequest = (request: RequestLike, response: ResponseLike): void => {
    const connection = connections.get(request.socket)
    if (!connection || request.httpVersionMajor > 1) return
    connection.running++
    connection.last = response
    if (closing) sayLast(connection)
    const ended = (): void => {
      connection.read = connection.socket.bytesRead
      if (closing) closeIfIdle(connection)
    }
    response.once('close', () => {
      connection.running--
      if (connection.last === response) connection.last = undefined
      ended()
    })
    // The rest of a body may come after the response.
    request.once('close', () => {
      if (connection.running === 0) ended()
    })
  }
  const onSession = (session: SessionLike): void => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    if (closing) session.close()
  }
  server.on('connection', onConnection)
  server.on('secureConnection', onConnection)
  server.on('session', onSession)
  // An HTTP/2 server, known by `updateSettings`, treats its streams in another way once somebody listens to `request`.
  if (!('updateSettings' in server) || server.listenerCount('request') > 0) server.prependListener('request', onRequest)
  // These take the place of `request` where somebody listens to them.
  for (const event of ['checkContinue', 'checkExpectation']) {
    if (server.listenerCount(event) > 0) server.prependListener(event, onRequest)
  }

  return {
    stop: () =>
      new Promise<void>((resolve) => {
        closing = true
        // Also called with an error, where it does not run, or not any more: what it has accepted still has to end.
        closeOnly(server, () => {
          connectionClosed = () => {
            if (connections.size === 0) resolve()
          }
          connectionClosed()
        })
        for (const connection of connections.values()) {
          sayLast(connection)
          closeIfIdle(connection)
        }
        for (const session of sessions) session.close()
      }),
    cut() {
      for (const socket of connections.keys()) socket.destroy()
    },
  }
}

/** Stops accepting, and lets all connections be. */
function closeOnly(server: NodeServerLike, closed: () => void): void {
  const { closeIdleConnections } = server
  if (closeIdleConnections) server.closeIdleConnections = () => {}
  server.close(closed)
  if (closeIdleConnections) server.closeIdleConnections = closeIdleConnections
}

function sayLast({ last }: Connection): void {
  if (last && !last.headersSent) last.setHeader('connection', 'close')
}

function closeIfIdle({ socket, running, read }: Connection): void {
  // Where more was read than was answered it is upgraded, HTTP/2, or in the middle of a request's headers.
  if (running === 0 && socket.bytesRead === read) socket.destroySoon()
}
