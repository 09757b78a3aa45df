/** A way to a server on which an answer can be lost. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Proxy extends AsyncDisposable {
  readonly port: number
  /** The next answer is lost, and its connection with it; resolves then. */
  loseAnswer(): Promise<void>
}

export async function startProxy(port: number): Promise<Proxy> {
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
    const target = connect(port, '127.0.0.1')
    join(client, target, false)
    join(target, client, true)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    loseAnswer: () => new Promise((resolve) => (lose = resolve)),
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
