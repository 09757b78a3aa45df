/** A server in a process of its own, and a client that keeps its connections alive. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { connect } from 'node:net'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { until } from '../_server.ts'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** How to start it, and how to talk to it. */
export interface ServerUnderTest {
  /** Below node_modules. */
  readonly command: string
  readonly args: readonly string[]
  readonly protocol: 'http' | 'https' | 'http2' | 'http2s'
}

export interface Answer {
  readonly headers: http.IncomingHttpHeaders
  readonly body: Readable
  /** All of the body. */
  text(): Promise<string>
}

export class Child implements AsyncDisposable {
  readonly lines: string[] = []
  stderr = ''
  readonly #process: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #protocol: ServerUnderTest['protocol']
  readonly #agent = new http.Agent({ keepAlive: true })
  readonly #secureAgent = new https.Agent({ keepAlive: true, rejectUnauthorized: false })
  #session: http2.ClientHttp2Session | undefined

  private constructor({ command, args, protocol }: ServerUnderTest, env: Record<string, string>) {
    this.#protocol = protocol
    this.#process = spawn(path(`../../node_modules/${command}`), args, {
      cwd: path('.'),
      env: { ...process.env, NODE_NO_WARNINGS: undefined, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1', ...env },
    })
    let stdout = ''
    this.#process.stdout?.on('data', (chunk) => {
      stdout += chunk
      this.lines.splice(0, this.lines.length, ...stdout.split('\n').slice(0, -1))
    })
    this.#process.stderr?.on('data', (chunk) => {
      this.stderr += chunk
    })
    this.#exited = once(this.#process, 'close')
  }

  static async start(server: ServerUnderTest, env: Record<string, string> = {}): Promise<Child> {
    const child = new Child(server, env)
    await until(() => child.lines.length > 0 || child.#process.exitCode !== null, 'the port')
    if (child.#process.exitCode !== null) throw new Error(`It did not start: ${child.stderr}`)
    return child
  }

  get port(): number {
    return Number(this.lines[0])
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  line(text: string, times = 1): Promise<void> {
    const count = (): number => this.lines.filter((line) => line === text).length
    return until(() => count() >= times, `'${text}' ${times} times in ${this.lines}; ${this.stderr}`)
  }

  /** Its exit code or the signal it died by, as a promise that is not kept later than `withinMs`. */
  async end(withinMs = 3000): Promise<string | number | null> {
    const start = performance.now()
    await until(() => this.#process.exitCode !== null || this.#process.signalCode !== null, 'the process to end')
    await this.#exited
    const ms = performance.now() - start
    if (ms > withinMs) throw new Error(`It took ${ms} ms to end`)
    return this.#process.signalCode ?? this.#process.exitCode
  }

  /** The headers of a response, and its body to read. */
  async get(path: string): Promise<Answer> {
    const [headers, body] = await (this.#protocol.startsWith('http2') ? this.#get2(path) : this.#get1(path))
    const text = async (): Promise<string> => {
      let all = ''
      for await (const chunk of body) all += chunk
      return all
    }
    return { headers, body, text }
  }

  async #get1(path: string): Promise<[http.IncomingHttpHeaders, Readable]> {
    const options = { host: '127.0.0.1', port: this.port, path }
    const secure = this.#protocol === 'https'
    const request = secure
      ? https.get({ ...options, agent: this.#secureAgent })
      : http.get({ ...options, agent: this.#agent })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    // That it is cut off is what some tests are about.
    response.on('error', () => {})
    return [response.headers, response]
  }

  async #get2(path: string): Promise<[http.IncomingHttpHeaders, Readable]> {
    const scheme = this.#protocol === 'http2s' ? 'https' : 'http'
    this.#session ??= http2
      .connect(`${scheme}://127.0.0.1:${this.port}`, { rejectUnauthorized: false })
      .on('error', () => {})
    const stream = this.#session.request({ ':path': path }).end()
    stream.on('error', () => {})
    const [headers] = (await once(stream, 'response')) as [http.IncomingHttpHeaders]
    return [headers, stream]
  }

  /** Waits until no new connection is accepted. */
  async refused(): Promise<void> {
    const end = performance.now() + 10_000
    for (;;) {
      const socket = connect(this.port, '127.0.0.1')
      const outcome = await new Promise<string | undefined>((resolve) => {
        socket
          .on('connect', () => resolve(undefined))
          .on('error', (error) => resolve((error as { code?: string }).code))
      })
      socket.destroy()
      if (outcome === 'ECONNREFUSED') return
      if (performance.now() > end) throw new Error('It still accepts connections after 10 s')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#exited
    this.#agent.destroy()
    this.#secureAgent.destroy()
    this.#session?.destroy()
  }
}
