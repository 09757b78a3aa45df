/** Servers and clients of these tests, on free loopback ports. */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface Listening extends AsyncDisposable {
  readonly port: number
  readonly url: string
}

/** Starts a server and stops it at the end of the block. */
export async function listening(server: Server | RequestListener): Promise<Listening> {
  const running = typeof server === 'function' ? createServer(server) : server
  running.listen(0, '127.0.0.1')
  await once(running, 'listening')
  const { port } = running.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      running.close()
      running.closeAllConnections()
      await once(running, 'close')
    },
  }
}

/** A socket to a port, connected. */
export async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

/** Waits until `holds` does, looking at every turn; fails with `what` when that takes too long. */
export async function until(holds: () => boolean, what: string, ms = 10_000): Promise<void> {
  const end = performance.now() + ms
  while (!holds()) {
    if (performance.now() > end) throw new Error(`still waiting after ${ms / 1000} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
