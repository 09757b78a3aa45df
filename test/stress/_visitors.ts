/** Clients that stay, leave at every moment, and read slowly, over kept, single and pipelined connections. */
import { once } from 'node:events'
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import { RawClient } from '../runtimes/_client.ts'
import { turn } from './_faulty-tasks.ts'
import { connectionOf, planOf, type RequestPlan, VISIT } from './_plan.ts'

export interface Visited {
  sent: number
  /** Requests whose client left, or lost its connection with one that left. */
  aborted: number
  pipelined: number
  slow: number
  /** Responses that were not what the handler returned. */
  problems: string[]
}

const PAUSE_MS = 3
const TIMEOUT_MS = 20_000
const UPLOAD = 'x'.repeat(2_000)

export class Visitors implements Disposable {
  readonly visited: Visited = { sent: 0, aborted: 0, pipelined: 0, slow: 0, problems: [] }
  readonly #agent = new Agent({ keepAlive: true })
  readonly #port: number
  readonly #seed: number

  constructor(port: number, seed: number) {
    this.#port = port
    this.#seed = seed
  }

  /** Sends the requests of these numbers, so many clients at once; then no connection is left. */
  async visit(from: number, to: number, clients: number): Promise<void> {
    let next = from
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (next < to) {
          const first = next
          next += VISIT
          await this.#visit(Array.from({ length: VISIT }, (_, i) => first + i))
        }
      }),
    )
    this.#agent.destroy()
  }

  async #visit(indexes: number[]): Promise<void> {
    const connection = connectionOf(this.#seed, (indexes[0] as number) / VISIT)
    if (connection === 'pipelined') return await this.#pipeline(indexes)
    for (const index of indexes) {
      const plan = planOf(this.#seed, index)
      // A socket of the agent that is destroyed in the end might be somebody else's by then.
      const agent = connection === 'kept alive' && plan.client !== 'leaves after' && this.#agent
      await this.#request(index, plan, agent)
    }
  }

  async #request(index: number, plan: RequestPlan, agent: Agent | false): Promise<void> {
    const { upload, client } = plan
    this.visited.sent++
    const sent = request({
      host: '127.0.0.1',
      port: this.#port,
      path: `/${index}`,
      agent,
      timeout: TIMEOUT_MS,
      ...(upload !== 'none' && { method: 'POST', headers: { 'content-length': UPLOAD.length } }),
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer')))
    if (upload === 'breaks off' || client === 'leaves before') await this.#leaveEarly(sent, plan)
    else {
      sent.end(upload === 'whole' ? UPLOAD : undefined)
      try {
        const [response] = (await once(sent, 'response')) as [IncomingMessage]
        await this.#read(response, index, plan)
      } catch (error) {
        this.#problem(index, String(error))
      }
    }
  }

  async #leaveEarly(sent: ClientRequest, { upload, clientTurns }: RequestPlan): Promise<void> {
    this.visited.aborted++
    sent.on('error', () => {})
    sent.on('response', (response) => response.on('error', () => {}))
    const closed = new Promise<void>((resolve) => sent.on('close', resolve))
    if (upload === 'none') sent.end()
    else sent.write(upload === 'whole' ? UPLOAD : UPLOAD.slice(1000))
    const { socket } = sent.socket
      ? sent
      : await once(sent, 'socket').then(([socket]) => ({ socket: socket as Socket }))
    if (socket?.connecting) await once(socket, 'connect')
    for (let i = 0; i <= clientTurns; i++) await turn()
    sent.destroy()
    await closed
  }

  async #read(response: IncomingMessage, index: number, plan: RequestPlan): Promise<void> {
    const closed = new Promise<void>((resolve) => response.on('close', resolve))
    response.on('error', () => {})
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (plan.client === 'leaves during') response.destroy()
      if (plan.client !== 'reads slowly') return
      response.pause()
      setTimeout(() => response.resume(), PAUSE_MS)
    })
    const { socket } = response
    await closed
    if (plan.client === 'leaves after') socket.destroy()
    if (plan.client.startsWith('leaves')) this.visited.aborted++
    else this.#check(index, plan, response.statusCode, response.complete ? bytes : undefined)
    if (plan.client === 'reads slowly') this.visited.slow++
  }

  /** What came, where the client stayed; no number of bytes when it ended too early. */
  #check(index: number, plan: RequestPlan, status: number | undefined, bytes: number | undefined): void {
    // How a body that broke is ended is @hono/node-server's affair.
    if (plan.body === 'breaks' && !plan.throws) return
    if (status !== (plan.throws ? 500 : plan.status)) this.#problem(index, `status ${status}`)
    if (plan.throws) return
    const expected = plan.chunks.reduce((sum, length) => sum + length)
    if (bytes !== expected) this.#problem(index, `${bytes} bytes of ${expected}`)
  }

  #problem(index: number, what: string): void {
    if (this.visited.problems.length < 20) this.visited.problems.push(`request ${index} was answered with: ${what}`)
  }

  /** All at once on one connection, which the first client that leaves takes away from the rest. */
  async #pipeline(indexes: number[]): Promise<void> {
    using client = await RawClient.to(this.#port)
    this.visited.sent += indexes.length
    this.visited.pipelined += indexes.length
    client.send(...indexes.map((index) => ({ path: `/${index}` })))
    for (const [position, index] of indexes.entries()) {
      const plan = planOf(this.#seed, index)
      if (plan.client === 'reads slowly') {
        client.socket.pause()
        setTimeout(() => client.socket.resume(), PAUSE_MS)
      }
      if (plan.client === 'leaves before') for (let i = 0; i <= plan.clientTurns; i++) await turn()
      else if (plan.client === 'leaves during') await client.received('HTTP/1.1')
      else {
        const { status, body } = await client.response()
        if (plan.client !== 'leaves after') this.#check(index, plan, status, body.length)
      }
      if (plan.client.startsWith('leaves')) {
        this.visited.aborted += indexes.length - position
        return
      }
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}
