/** A program of these tests that prints lines, in another process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { until } from '../_server.ts'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

export class Program implements AsyncDisposable {
  readonly lines: string[] = []
  stderr = ''
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>

  /** `command` is a path below node_modules. */
  constructor(command: string, args: readonly string[], env: Record<string, string> = {}) {
    this.#child = spawn(path(`../../node_modules/${command}`), args, {
      cwd: path('.'),
      env: { ...process.env, NODE_NO_WARNINGS: undefined, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#ended = once(this.#child, 'close')
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.lines.push(line))
    this.#child.stderr!.on('data', (chunk) => {
      this.stderr += chunk
    })
  }

  /** Waits until it has printed such a line so often. */
  async printed(line: string, times = 1): Promise<void> {
    const count = (): number => this.lines.filter((printed) => printed.startsWith(line)).length
    await until(() => count() >= times || this.#child.exitCode !== null, `'${line}' in ${this.lines}${this.stderr}`)
    if (count() < times) throw new Error(`it ended without '${line}': ${this.lines.join('\n')}\n${this.stderr}`)
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits until it has ended by itself; gives its exit code, or the signal that it died by. */
  async end(): Promise<number | string | null> {
    await until(() => this.#child.exitCode !== null || this.#child.signalCode !== null, 'the end of the program')
    await this.#ended
    return this.#child.exitCode ?? this.#child.signalCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }
}
