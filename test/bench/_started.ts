/** Starts the servers, each in a process of its own, and asks them. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'
import { RawClient, type RawResponse } from '../runtimes/_client.ts'
import type { Bare } from './_systems.ts'
import { type Report, spin } from './servers/_work.ts'

/** Debian's, which its packages are for. */
export const PYTHON = '/usr/bin/python3'
const DEBIAN_PACKAGES = 'python3-fastapi uvicorn python3-uvloop python3-httptools'
/** No list takes longer. */
const SETTLE_MS = 60_000

export interface Running<S extends Bare = Bare> extends AsyncDisposable {
  readonly system: S
  readonly port: number
}

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** Why the rows of Python have to be left out; undefined when they do not. */
export async function missingPython(): Promise<string | undefined> {
  try {
    await promisify(execFile)(PYTHON, ['-c', 'import fastapi, uvicorn, uvloop, httptools'])
    return undefined
  } catch {
    return `FastAPI is left out, as it is not installed: apt-get install ${DEBIAN_PACKAGES}`
  }
}

export async function start<S extends Bare>(system: S): Promise<Running<S>> {
  return { system, ...(system.runtime === 'workerd' ? await workerd(system) : await spawned(system)) }
}

function commandOf({ id, runtime, how }: Bare): [command: string, ...args: string[]] {
  const file = path(`servers/${id}.ts`)
  switch (runtime) {
    case 'bun':
      return [path('../../node_modules/.bin/bun'), file]
    case 'deno':
      return [
        path('../../node_modules/.bin/deno'),
        'run',
        '--no-config',
        '--node-modules-dir=manual',
        '--allow-all',
        '--v8-flags=--expose-gc',
        file,
      ]
    case 'python':
      return [PYTHON, path('servers/fastapi_server.py'), how ?? '']
    default:
      return [process.execPath, '--expose-gc', file]
  }
}

async function spawned(system: Bare): Promise<Omit<Running, 'system'>> {
  const [command, ...args] = commandOf(system)
  const child = spawn(command, args, {
    env: { ...process.env, NODE_NO_WARNINGS: '1', DENO_NO_UPDATE_CHECK: '1', NODE_ENV: 'production' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'close')
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exited])
  if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${system.id} did not start`)
  return { port: Number(line), [Symbol.asyncDispose]: stop }
}

async function workerd({ id }: Bare): Promise<Omit<Running, 'system'>> {
  const bundle = await build({
    entryPoints: [path(`servers/${id}.ts`)],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    external: ['node:*'],
    write: false,
  })
  const miniflare = new Miniflare({
    modules: true,
    script: bundle.outputFiles[0]?.text ?? '',
    bindings: { ROUNDS: roundsInMs() },
    compatibilityDate: '2026-07-01',
    cf: false,
  })
  const { port } = await miniflare.ready
  return { port: Number(port), [Symbol.asyncDispose]: () => miniflare.dispose() }
}

/** How often this machine spins in a millisecond. */
function roundsInMs(): number {
  const rounds = 5_000_000
  const times = Array.from({ length: 3 }, () => {
    const since = performance.now()
    spin(rounds)
    return performance.now() - since
  })
  return Math.round(rounds / Math.min(...times))
}

/** One answer, on a connection of its own: a server may have closed an idle one. */
export async function get({ port }: Running, target: string): Promise<RawResponse> {
  using client = await RawClient.to(port)
  client.send({ path: target })
  return await answered(client, target)
}

export async function answered(client: RawClient, target: string): Promise<RawResponse> {
  const response = await client.response()
  if (response.status !== 200) throw new Error(`${target} answered ${response.status}: ${response.body}`)
  return response
}

/** Waits until all tasks ran: one that was not run would cost nothing. */
export async function settled({ system, port }: Running, everyMs = 1): Promise<Report> {
  using client = await RawClient.to(port)
  for (const end = performance.now() + SETTLE_MS; ; ) {
    client.send({ path: '/report' })
    const report: Report = JSON.parse((await answered(client, '/report')).body)
    if (report.ran === report.added) return report
    if (report.ran > report.added || performance.now() > end)
      throw new Error(`${system.id}: ${report.ran} of ${report.added} tasks ran`)
    await sleep(everyMs)
  }
}
