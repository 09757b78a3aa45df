/**
 * A proxy to a server on this machine, for what only a network does: it can fall silent, as a machine does that has lost its
 * power or its cable, lose an answer with its connection, and come to lead to another server.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Proxy extends AsyncDisposable {
  readonly port: number
  /** How many clients are connected. */
  readonly clients: number
  /** Where new connections lead to: a port. */
  target: number
  /** Whether nothing goes through any more, also of new connections. What was sent meanwhile is lost. */
  isSilent: boolean
  /** The next answer is lost, and its connection with it; resolves then. */
  loseAnswer(): Promise<void>
}

export async function startProxy(target: number): Promise<Proxy> {
  const sockets = new Set<Socket>()
  let clients = 0
  let lose: (() => void) | undefined
  const join = (from: Socket, to: Socket, isAnswer: boolean): void => {
    sockets.add(from)
    from.on('error', () => {})
    from.on('data', (bytes) => {
      if (proxy.isSilent) return
      if (!isAnswer || !lose) return void to.write(bytes)
      to.destroy()
      lose()
      lose = undefined
    })
    from.on('close', () => {
      sockets.delete(from)
      if (!proxy.isSilent) to.destroy()
    })
  }
  const server = createServer((client) => {
    clients++
    client.once('close', () => clients--)
    const upstream = connect(proxy.target, '127.0.0.1')
    join(client, upstream, false)
    join(upstream, client, true)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: Proxy = {
    port: (server.address() as AddressInfo).port,
    get clients() {
      return clients
    },
    target,
    isSilent: false,
    loseAnswer: () => new Promise((resolve) => (lose = resolve)),
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
  return proxy
}
