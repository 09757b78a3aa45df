/** Starts the fixture on a real runtime. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'

export interface Runtime {
  readonly port: number
  /** What it wrote to its standard error so far. */
  stderr(): string
  stop(): Promise<void>
}

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** A program that prints its port. `command` is a path below node_modules. */
export async function spawned(command: string, args: readonly string[]): Promise<Runtime> {
  const child = spawn(path(`../../node_modules/${command}`), args, {
    cwd: path('.'),
    env: { ...process.env, NODE_NO_WARNINGS: undefined, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const exited = once(child, 'close')
  const line = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exited])
  if (child.exitCode !== null) throw new Error(`${command} did not start: ${stderr}`)
  return {
    port: Number(line[0]),
    stderr: () => stderr,
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** workerd, through miniflare. */
export async function workerd(): Promise<Runtime> {
  const bundle = await build({
    entryPoints: [path('_workers.ts')],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    external: ['node:*'],
    write: false,
  })
  let stderr = ''
  const miniflare = new Miniflare({
    modules: true,
    script: bundle.outputFiles[0]?.text ?? '',
    compatibilityDate: '2026-07-01',
    compatibilityFlags: ['nodejs_als'],
    cf: false,
    handleStructuredLogs: ({ level, message }: { level: string; message: string }) => {
      if (level === 'error' || level === 'warn') stderr += `${message}\n`
    },
  })
  const url = await miniflare.ready
  return { port: Number(url.port), stderr: () => stderr, stop: () => miniflare.dispose() }
}
