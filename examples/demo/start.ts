/**
 * Starts the app on a runtime, as a process of its own.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'
import type { Report } from './app.ts'

/** A server that runs the app. */
export interface Started {
  readonly url: URL
  stop(): Promise<unknown>
}

type Start = (onReport: (report: Report) => void) => Promise<Started>

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** How each runtime is started. */
export const runtimes: Record<string, Start> = {
  node: spawned(process.execPath, path('node.ts')),
  workers: inWorkerd,
  deno: spawned(path('../../node_modules/.bin/deno'), 'run', '--allow-net=127.0.0.1', '--allow-env', path('deno.ts')),
  bun: spawned(path('../../node_modules/.bin/bun'), path('bun.ts')),
}

/** A program that prints its address, then reports. */
function spawned(command: string, ...args: string[]): Start {
  return async (onReport) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, DENO_NO_UPDATE_CHECK: '1' },
    })
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('exit', (code) => resolve(`it exited with code ${code}`))
    })
    const lines = createInterface({ input: child.stdout })
    const first = await Promise.race([once(lines, 'line'), ended])
    if (typeof first === 'string') throw new Error(`Cannot start ${command}: ${first}`)
    lines.on('line', (line) => onReport(JSON.parse(line)))
    return {
      url: new URL(first[0]),
      stop: () => {
        child.kill()
        return ended
      },
    }
  }
}

async function inWorkerd(onReport: (report: Report) => void): Promise<Started> {
  const bundle = await build({
    stdin: { contents: `export { app as default } from './app.ts'`, resolveDir: path('.') },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  })
  const miniflare = new Miniflare({
    modules: true,
    script: bundle.outputFiles[0]?.text ?? '',
    compatibilityDate: '2026-07-01',
    cf: false,
    handleStructuredLogs: ({ message }: { message: string }) => onReport(JSON.parse(message)),
  })
  return { url: await miniflare.ready, stop: () => miniflare.dispose() }
}
