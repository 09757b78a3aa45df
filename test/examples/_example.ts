/** An example as its user has it: a folder copied to somewhere else, with its dependencies beside it. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'
import { expect } from 'vitest'
import { until } from '../_server.ts'

export const root: string = fileURLToPath(new URL('../..', import.meta.url))
const bin = (command: string): string => join(root, 'node_modules/.bin', command)

interface Manifest {
  readonly scripts: { readonly start: string }
  readonly dependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
}

/** A program at work, and what it printed, in the order in which this process heard of it. */
export interface Running extends AsyncDisposable {
  readonly log: readonly string[]
  /** Waits for a line of its output. */
  line(text: string): Promise<void>
  /** Asks it to stop and waits until it has; gives its exit code. Not for Workers, which have none. */
  terminate(): Promise<number | null>
}

/** An example that serves. */
export interface Booted extends Running {
  readonly url: string
  /** Sends a request; the log gets `answered` when the last byte of the response has come. */
  send(path: string, init?: RequestInit): Promise<{ status: number; headers: Headers; text: string }>
}

export class Example implements AsyncDisposable {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** A copy of a folder of examples/. */
  static async copy(name: string): Promise<Example> {
    const example = await Example.empty()
    await cp(join(root, 'examples', name), example.folder, { recursive: true })
    return example
  }

  static async empty(): Promise<Example> {
    return new Example(await mkdtemp(join(tmpdir(), 'example-')))
  }

  /** Puts the packages that its package.json names into its node_modules, and no others. */
  async install(): Promise<Manifest> {
    const manifest = await this.json<Manifest>('package.json')
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })) {
      const target = join(this.folder, 'node_modules', name)
      await mkdir(dirname(target), { recursive: true })
      if (name !== 'background-tasks') await symlink(join(root, 'node_modules', name), target)
      // Not a link, as Deno takes what is outside of node_modules for source code.
      else
        for (const part of ['package.json', 'dist']) await cp(join(root, part), join(target, part), { recursive: true })
    }
    return manifest
  }

  async read(file: string): Promise<string> {
    return readFile(join(this.folder, file), 'utf8')
  }

  /** A JSON file, which may have comments on lines of their own. */
  async json<T>(file: string): Promise<T> {
    return JSON.parse((await this.read(file)).replace(/^\s*\/\/.*$/gm, ''))
  }

  /** Writes text, or anything else as JSON. */
  async write(file: string, content: unknown): Promise<void> {
    await writeFile(join(this.folder, file), typeof content === 'string' ? content : JSON.stringify(content))
  }

  /** Type-checks source files with the types of their host. */
  async typeCheck(types: string, ...files: string[]): Promise<void> {
    // Without the DOM, which some hosts' types replace; so that what other packages say of it goes unchecked.
    const options = {
      strict: true,
      noEmit: true,
      module: 'nodenext',
      lib: ['ES2023'],
      skipLibCheck: true,
      allowImportingTsExtensions: true,
    }
    await this.write('tsconfig.json', { compilerOptions: { ...options, types: [types] }, files })
    await this.run('tsc', '-p', 'tsconfig.json')
  }

  /** Runs a command to its end; what it prints is the reason where it fails. */
  async run(command: string, ...args: string[]): Promise<string> {
    try {
      return (await promisify(execFile)(bin(command), args, { cwd: this.folder, env: environment({}) })).stdout
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string }
      throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
    }
  }

  /** Starts a command. */
  start(command: string, env: Record<string, string> = {}): Running & { readonly log: string[]; isOver(): boolean } {
    const [program = '', ...args] = command.split(' ')
    const child = spawn(bin(program), args, { cwd: this.folder, env: environment(env) })
    const log: string[] = []
    for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', (line) => log.push(line))
    const exited = once(child, 'close') as Promise<[number | null]>
    return {
      log,
      isOver: () => child.exitCode !== null,
      line: (text) => lineIn(log, text),
      async terminate() {
        child.kill('SIGTERM')
        return (await exited)[0]
      },
      async [Symbol.asyncDispose]() {
        child.kill('SIGKILL')
        await exited
      },
    }
  }

  /** Starts a command that prints its address and then serves. */
  async boot(command: string, env: Record<string, string> = {}): Promise<Booted> {
    const running = this.start(command, { PORT: '0', ...env })
    const port = (): string | undefined => /https?:\/\/\S+:(\d+)/.exec(running.log.join('\n'))?.[1]
    try {
      await until(() => port() !== undefined || running.isOver(), `${command} to print its address`, 40_000)
      if (running.isOver()) throw new Error(`${command} did not start:\n${running.log.join('\n')}`)
    } catch (error) {
      await running[Symbol.asyncDispose]()
      throw error
    }
    return { ...running, ...client(`http://127.0.0.1:${port()}`, running.log) }
  }

  /** Runs its Worker as its own wrangler.jsonc says, in workerd. */
  async bootWorker(vars: Record<string, string> = {}): Promise<Booted & { readonly miniflare: Miniflare }> {
    const config = await this.json<WranglerConfig>('wrangler.jsonc')
    const bundle = await build({
      entryPoints: [join(this.folder, config.main)],
      bundle: true,
      format: 'esm',
      target: 'es2022',
      external: ['cloudflare:*'],
      write: false,
    })
    const { producers = [], consumers = [] } = config.queues ?? {}
    const log: string[] = []
    const miniflare = new Miniflare({
      name: config.name,
      modules: true,
      script: bundle.outputFiles[0]?.text ?? '',
      compatibilityDate: config.compatibility_date,
      kvNamespaces: Object.fromEntries(config.kv_namespaces.map(({ binding, id }) => [binding, id])),
      queueProducers: Object.fromEntries(producers.map(({ binding, queue }) => [binding, queue])),
      queueConsumers: Object.fromEntries(
        consumers.map(({ queue, max_batch_timeout: maxBatchTimeout, max_retries: maxRetries }) => {
          return [queue, { ...(maxBatchTimeout && { maxBatchTimeout }), ...(maxRetries && { maxRetries }) }]
        }),
      ),
      bindings: { ...config.vars, ...vars },
      cf: false,
      handleStructuredLogs: ({ message }: { message: string }) => void log.push(message),
    })
    const url = await miniflare.ready
    return {
      ...client(url.origin, log),
      miniflare,
      log,
      line: (text) => lineIn(log, text),
      terminate: () => Promise.reject(new Error('A Worker has no process to stop')),
      [Symbol.asyncDispose]: () => miniflare.dispose(),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true })
  }
}

interface WranglerConfig {
  readonly name: string
  readonly main: string
  readonly compatibility_date: string
  readonly kv_namespaces: readonly { readonly binding: string; readonly id: string }[]
  readonly queues?: {
    readonly producers?: readonly { readonly binding: string; readonly queue: string }[]
    readonly consumers?: readonly {
      readonly queue: string
      readonly max_batch_timeout?: number
      readonly max_retries?: number
    }[]
  }
  readonly vars: Record<string, string>
}

function lineIn(log: readonly string[], text: string): Promise<void> {
  return until(() => log.some((line) => line.includes(text)), `a line with '${text}'`)
}

function client(url: string, log: string[]): Pick<Booted, 'url' | 'send'> {
  return {
    url,
    async send(path, init) {
      const response = await fetch(url + path, { redirect: 'manual', ...init })
      const text = await response.text()
      log.push('answered')
      return { status: response.status, headers: response.headers, text }
    },
  }
}

/** The order of some lines of a log, each named by a part of it. */
export function order(log: readonly string[], ...parts: string[]): string[] {
  return log.flatMap((line) => parts.find((part) => line.includes(part)) ?? [])
}

function environment(more: Record<string, string>): NodeJS.ProcessEnv {
  const PATH = `${bin('')}${delimiter}${process.env['PATH']}`
  return { ...process.env, PATH, NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1', ...more }
}

/** Every version that an example depends on is one that this repository was tested with. */
export async function expectTestedVersions({ dependencies = {} }: Manifest): Promise<void> {
  const { version, devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const tested = { ...devDependencies, 'background-tasks': `^${version}` }
  expect(dependencies).toEqual(Object.fromEntries(Object.keys(dependencies).map((name) => [name, tested[name]])))
}
