/** A proxy to a server on this machine, that can fall silent as a machine does that has lost its power or its cable. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Proxy extends AsyncDisposable {
  readonly port: number
  /** Whether nothing goes through any more, also of new connections. What was sent meanwhile is lost. */
  isSilent: boolean
  /** How many clients are connected. */
  readonly clients: number
}

export async function startProxy(port: number): Promise<Proxy> {
  const sockets = new Set<Socket>()
  let clients = 0
  const server = createServer((client) => {
    clients++
    client.once('close', () => clients--)
    const upstream = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('data', (bytes) => proxy.isSilent || to.write(bytes))
      from.on('close', () => {
        sockets.delete(from)
        if (!proxy.isSilent) to.destroy()
      })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: Proxy = {
    port: (server.address() as AddressInfo).port,
    isSilent: false,
    get clients() {
      return clients
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
  return proxy
}
