/** A way to a server on which an answer can be lost, and that can come to lead to another one. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Proxy extends AsyncDisposable {
  readonly port: number
  /** Where new connections lead to. */
  target: number
  /** The next answer is lost, and its connection with it; resolves then. */
  loseAnswer(): Promise<void>
}

export async function startProxy(target: number): Promise<Proxy> {
  let lose: (() => void) | undefined
  const sockets = new Set<Socket>()
  const join = (from: Socket, to: Socket, answers: boolean): void => {
    sockets.add(from)
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    from.on('data', (chunk) => {
      if (!answers || !lose) return void to.write(chunk)
      to.destroy()
      lose()
      lose = undefined
    })
  }
  const server = createServer((client) => {
    const upstream = connect(proxy.target, '127.0.0.1')
    join(client, upstream, false)
    join(upstream, client, true)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: Proxy = {
    port: (server.address() as AddressInfo).port,
    target,
    loseAnswer: () => new Promise((resolve) => (lose = resolve)),
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
  return proxy
}
