/**
 * Sends requests as fast as they are answered, and tells how fast that was. By hand, as what is compared takes turns every
 * few milliseconds, over connections that stay: a load generator that has to connect first measures that, and one that
 * parses each answer is slower than the servers.
 */
import type { Socket } from 'node:net'
import { connected } from '../_server.ts'
import { RawClient } from '../runtimes/_client.ts'
import { answering } from './_child.ts'

export interface Load {
  port: number
  path: string
  /** What comes first, and is not counted. */
  leadSeconds: number
  seconds: number
  connections: number
}

export interface LoadFigures {
  requests: number
  perSecond: number
  /** Which part of a CPU this process had. */
  cpu: number
}

/** A connection that sends one request after another; every answer to the same is as long as the first. */
class Connection {
  readonly socket: Socket
  #answerBytes = 0
  #received = 0
  #answered: () => void = () => {}
  #closed: (error: Error) => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('close', () => this.#closed(new Error(`The socket closed after ${this.#received} bytes of an answer`)))
    socket.on('data', (chunk: Buffer) => {
      if (this.#received === 0 && chunk.toString('latin1', 9, 12) !== '200') throw new Error(`answered ${chunk}`)
      this.#received += chunk.length
      if (this.#received < this.#answerBytes) return
      if (this.#received > this.#answerBytes) throw new Error(`answered more than was asked for: ${chunk}`)
      this.#received = 0
      this.#answered()
    })
  }

  /** Sends again and again as long as `goesOn` says so, which is asked after each answer. */
  send(request: Buffer, answerBytes: number, goesOn: () => boolean): Promise<void> {
    this.#answerBytes = answerBytes
    return new Promise((resolve, reject) => {
      this.#closed = reject
      this.#answered = () => {
        if (goesOn()) this.socket.write(request)
        else resolve()
      }
      this.socket.write(request)
    })
  }
}

const idle = new Map<number, Connection[]>()
const lengths = new Map<string, number>()

/** Those to a server, of which it may have closed some that were idle. */
async function connectionsTo(port: number, count: number): Promise<Connection[]> {
  const open = (idle.get(port) ?? []).filter(({ socket }) => !socket.destroyed && !socket.readableEnded)
  while (open.length < count) open.push(new Connection(await connected(port)))
  idle.set(port, open)
  return open
}

async function lengthOf(port: number, path: string): Promise<number> {
  const known = lengths.get(`${port}${path}`)
  if (known) return known
  using client = await RawClient.to(port)
  client.send({ path })
  await client.response()
  lengths.set(`${port}${path}`, client.socket.bytesRead)
  return client.socket.bytesRead
}

answering(async ({ port, path, leadSeconds, seconds, connections }: Load): Promise<LoadFigures> => {
  const answerBytes = await lengthOf(port, path)
  const open = await connectionsTo(port, connections)
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
  const countedFrom = performance.now() + leadSeconds * 1000
  let requests = 0
  let begun = 0
  let last = 0
  let before = process.cpuUsage()
  const goesOn = (): boolean => {
    const now = performance.now()
    if (now < countedFrom) return true
    if (begun === 0) {
      begun = now
      before = process.cpuUsage()
    } else {
      if (now > begun + seconds * 1000) return false
      requests++
      last = now
    }
    return true
  }
  await Promise.all(open.map((connection) => connection.send(request, answerBytes, goesOn)))
  const { user, system } = process.cpuUsage(before)
  return {
    requests,
    perSecond: (requests / (last - begun)) * 1000,
    cpu: (user + system) / 1000 / (performance.now() - begun),
  }
})
