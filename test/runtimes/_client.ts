/** An HTTP/1.1 client on a bare socket, which knows when the last byte came. */
import type { Socket } from 'node:net'
import { connected } from '../_server.ts'

export interface RawResponse {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  /** Milliseconds from the last request sent to the last byte of this response. */
  readonly ms: number
}

export class RawClient implements Disposable {
  readonly socket: Socket
  #buffer = Buffer.alloc(64 * 1024)
  #from = 0
  #to = 0
  #sentAt = 0
  #lastAt = 0
  #ended = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      // Doubled, as with a large body a copy for each chunk would be what is measured.
      if (this.#to + chunk.length > this.#buffer.length) {
        const larger = Buffer.alloc(2 * (this.#to + chunk.length))
        this.#buffer.copy(larger, 0, 0, this.#to)
        this.#buffer = larger
      }
      this.#to += chunk.copy(this.#buffer, this.#to)
      this.#lastAt = performance.now()
      this.#wake()
    })
    // What a reset leaves unsaid is said by what is missing.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#ended = true
      this.#lastAt = performance.now()
      this.#wake()
    })
  }

  static async to(port: number): Promise<RawClient> {
    return new RawClient(await connected(port))
  }

  /** Writes requests at once, as a pipeline. */
  send(...requests: { path: string; method?: string; headers?: string }[]): void {
    this.#sentAt = performance.now()
    const texts = requests.map(
      ({ path, method = 'GET', headers = '' }) => `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`,
    )
    this.socket.write(texts.join(''))
  }

  /** The next complete response. */
  async response(method = 'GET'): Promise<RawResponse> {
    for (;;) {
      const parsed = parse(this.#received, method, this.#ended)
      if (parsed) {
        this.#from += parsed.length
        return { ...parsed, ms: this.#lastAt - this.#sentAt }
      }
      await this.#more()
    }
  }

  /** Waits until some text came. */
  async received(text: string): Promise<void> {
    while (!this.#received.includes(text)) await this.#more()
  }

  /** Waits until the server ended the socket; milliseconds since the last request was sent. */
  async end(): Promise<number> {
    while (!this.#ended) await this.#more()
    return this.#lastAt - this.#sentAt
  }

  get #received(): Buffer {
    return this.#buffer.subarray(this.#from, this.#to)
  }

  #more(): Promise<void> {
    if (this.#ended) throw new Error(`The socket closed too early: ${this.#received.subarray(0, 500)}`)
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

interface Parsed extends Omit<RawResponse, 'ms'> {
  /** How many bytes it took. */
  readonly length: number
}

function parse(received: Buffer, method: string, ended: boolean): Parsed | undefined {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [statusLine = '', ...lines] = received.subarray(0, headEnd).toString('latin1').split('\r\n')
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const status = Number(statusLine.split(' ')[1])
  const rest = received.subarray(headEnd + 4)
  const isEmpty = method === 'HEAD' || status === 204 || status === 304
  const body = isEmpty ? { text: '', length: 0 } : bodyOf(rest, headers, ended)
  return body && { status, headers, body: body.text, length: headEnd + 4 + body.length }
}

function bodyOf(
  rest: Buffer,
  headers: ReadonlyMap<string, string>,
  ended: boolean,
): { text: string; length: number } | undefined {
  const declared = headers.get('content-length')
  if (declared !== undefined) {
    const length = Number(declared)
    return rest.length < length ? undefined : { text: rest.toString('latin1', 0, length), length }
  }
  if (headers.get('transfer-encoding') !== 'chunked') {
    return ended ? { text: rest.toString('latin1'), length: rest.length } : undefined
  }
  let text = ''
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(rest.toString('latin1', at, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (rest.length < next) return undefined
    if (size === 0) return { text, length: next }
    text += rest.toString('latin1', lineEnd + 2, lineEnd + 2 + size)
    at = next
  }
}
