/** A server program on a free loopback port, that can be ended, frozen and started again, and never outlives its test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gone, signal, signalTree, tree } from './_process-tree.ts'

export interface Server extends AsyncDisposable {
  /** Where to connect, on 127.0.0.1. */
  readonly url: string
  /** Ends it as a crash would: SIGKILL to all its processes. Its data is kept. Nothing happens where it does not run. */
  kill(): Promise<void>
  /** Ends it in order, frozen or not. Its data is kept. Nothing happens where it does not run. */
  stop(): Promise<void>
  /** Starts it again on the same port with the same data; resolves when it answers. */
  start(): Promise<void>
  /** `stop`, then `start`. */
  restart(): Promise<void>
  /** Stops all its processes where they are: connections stay open, nothing answers. */
  freeze(): void
  /** Lets a frozen server go on. */
  thaw(): void
  /** Kills it and removes its data. */
  [Symbol.asyncDispose](): Promise<void>
}

export interface Program {
  /** For messages: `Redis`. */
  readonly name: string
  readonly url: string
  /** Who runs it, where that must be somebody else than the user of the test. */
  readonly user?: User | undefined
  /** Makes its files in its own empty directory, once. */
  prepare?(directory: string): Promise<void>
  /** Its command line, run in its directory. It must stay in the foreground. */
  commandLine(directory: string): [command: string, ...args: string[]]
  /** All of its environment but for `PATH`. */
  env?(directory: string): Record<string, string>
  /** What ends it in order, whoever is connected. */
  readonly stopSignal: NodeJS.Signals
  /** What ends it at once, where SIGKILL would leave something of it in the system. */
  readonly quitSignal?: NodeJS.Signals
  /** Gets a real answer from it over its protocol, or rejects. */
  answers(): Promise<void>
}

export interface User {
  readonly uid: number
  readonly gid: number
}

const deadlineMs = 30_000

export async function startServer(program: Program): Promise<Server> {
  const server = new ServerProcess(program)
  try {
    await program.prepare?.(server.directory)
    await server.start()
    return server
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

class ServerProcess implements Server {
  readonly url: string
  readonly directory: string = mkdtempSync(join(tmpdir(), 'queue-server-'))
  readonly #program: Program
  readonly #guard: Guard
  #process: ChildProcess | undefined

  constructor(program: Program) {
    this.url = program.url
    this.#program = program
    this.#guard = new Guard(this.directory)
    if (program.user) chownSync(this.directory, program.user.uid, program.user.gid)
  }

  async start(): Promise<void> {
    const { name, user, env } = this.#program
    if (this.#pid) throw new Error(`Cannot start ${name} as it must be stopped: current process is ${this.#pid}`)
    const [command, ...args] = this.#program.commandLine(this.directory)
    const log = openSync(this.#log, 'a')
    this.#process = spawn(command, args, {
      ...user,
      cwd: this.directory,
      // A group of its own: Ctrl-C in a terminal is the test's, which then ends it.
      detached: true,
      env: { PATH: process.env['PATH'], ...env?.(this.directory) },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    let failure: unknown
    this.#process.once('error', (error) => (failure = error))
    if (this.#pid) this.#guard.protectFrom([-this.#pid])
    const end = performance.now() + deadlineMs
    for (;;) {
      try {
        await within(end - performance.now(), this.#program.answers())
        if (this.#pid) return
      } catch (error) {
        failure ??= this.#pid ? error : undefined
      }
      if (!this.#pid || performance.now() > end) break
      failure = undefined
      await sleep(20)
    }
    const reason = this.#pid ? `it must answer within ${deadlineMs / 1000} s` : 'its process must stay'
    await this.kill()
    throw new Error(`Cannot start ${name} as ${reason}: its log ends with\n${this.#logged()}`, { cause: failure })
  }

  async stop(): Promise<void> {
    const pid = this.#pid
    if (!pid) return
    this.thaw()
    const all = tree(pid)
    signal(pid, this.#program.stopSignal)
    if (await gone(all, deadlineMs)) return this.#ended()
    await this.kill()
    const problem = `Cannot stop ${this.#program.name} as it must end within ${deadlineMs / 1000} s`
    throw new Error(`${problem}: its log ends with\n${this.#logged()}`)
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  async kill(): Promise<void> {
    const pid = this.#pid
    // Stopped ones start no others, and lose no child to another parent, while the rest is being killed.
    const all = pid ? signalTree(pid, 'SIGSTOP') : []
    for (const each of all) signal(each, 'SIGKILL')
    if (!(await gone(all, deadlineMs))) throw new Error(`Cannot kill ${this.#program.name} as processes stay: ${all}`)
    await this.#ended()
  }

  freeze(): void {
    if (this.#pid) this.#guard.protectFrom([-this.#pid, ...signalTree(this.#pid, 'SIGSTOP')])
  }

  thaw(): void {
    if (!this.#pid) return
    signalTree(this.#pid, 'SIGCONT')
    this.#guard.protectFrom([-this.#pid])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pid = this.#pid
    if (pid && this.#program.quitSignal) {
      this.thaw()
      const all = tree(pid)
      signal(pid, this.#program.quitSignal)
      await gone(all, 5000)
    }
    await this.kill()
    await this.#guard.dismiss()
  }

  get #pid(): number | undefined {
    const { pid, exitCode, signalCode } = this.#process ?? {}
    return exitCode === null && signalCode === null ? pid : undefined
  }

  async #ended(): Promise<void> {
    if (this.#pid && this.#process) await once(this.#process, 'exit')
    this.#guard.protectFrom([])
  }

  get #log(): string {
    return join(this.directory, 'server.log')
  }

  #logged(): string {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').slice(-4000) : ''
  }
}

/** Outlives a test that crashed, by any signal, just long enough to end its server and to remove the server's data. */
class Guard {
  readonly #shell: ChildProcess

  constructor(directory: string) {
    // Each line names all processes to kill. The end of its input is the end of the test's process.
    const script = `
      while read -r line; do last=$line; done
      [ -z "$last" ] || kill -s KILL -- $last
      rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }`
    const stdio: ['pipe', 'ignore', 'ignore'] = ['pipe', 'ignore', 'ignore']
    this.#shell = spawn('/bin/sh', ['-c', script, 'sh', directory], { stdio, detached: true })
  }

  protectFrom(pids: readonly number[]): void {
    this.#shell.stdin?.write(`${pids.join(' ')}\n`)
  }

  async dismiss(): Promise<void> {
    if (this.#shell.exitCode !== null) return
    this.#shell.stdin?.end()
    await once(this.#shell, 'exit')
  }
}

/** A port that no client gets by chance while its server is down: one outside of the range that the system hands out. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    const server = createServer().listen(port, '127.0.0.1')
    const free = await once(server, 'listening').catch(() => undefined)
    if (!free) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const late = sleep(Math.max(0, milliseconds), undefined, { signal: timer.signal }).then(() => {
    throw new Error('no answer in time')
  })
  late.catch(() => {})
  try {
    return await Promise.race([promise, late])
  } finally {
    timer.abort()
  }
}
