/** Runs one program in every runtime. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** The runtimes that are a program, with the command below node_modules that runs a file. */
const commands = {
  'Node 20': ['node-20/bin/node'],
  'Node 22': ['node-22/bin/node'],
  'Node 24': ['node/bin/node'],
  'Node 26': ['node-26/bin/node'],
  Deno: ['.bin/deno', 'run', '--no-config', '--allow-env', '--allow-sys'],
  Bun: ['.bin/bun'],
} as const

export type RuntimeName = keyof typeof commands | 'Workers'

export const runtimes: readonly RuntimeName[] = [...(Object.keys(commands) as (keyof typeof commands)[]), 'Workers']

/** Calls the `main` of a module of this folder in a runtime; gives what it resolved with, which travels as JSON. */
export async function runOn(runtime: RuntimeName, module: string, flags: string[] = ['nodejs_compat']): Promise<any> {
  if (runtime === 'Workers') {
    const script = await bundled(module, 'export default { fetch: async () => Response.json(await main()) }')
    const worker = { modules: true, script, compatibilityDate: '2026-07-01', compatibilityFlags: flags, cf: false }
    const miniflare = new Miniflare(worker as ConstructorParameters<typeof Miniflare>[0])
    try {
      return await (await miniflare.dispatchFetch('http://localhost/')).json()
    } finally {
      await miniflare.dispose()
    }
  }
  const folder = await mkdtemp(join(tmpdir(), 'observer-'))
  try {
    const file = join(folder, 'main.mjs')
    await bundled(module, 'console.log(JSON.stringify(await main()))', file)
    const [command, ...args] = commands[runtime]
    const { stdout } = await promisify(execFile)(path(`../../../node_modules/${command}`), [...args, file], {
      env: { ...process.env, NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1' },
    })
    return JSON.parse(stdout)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function bundled(module: string, start: string, outfile?: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: `import { main } from './${module}'\n${start}`, resolveDir: path('.') },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    external: ['node:*'],
    // As the SDK has them; Deno and Workers want the prefix.
    alias: { async_hooks: 'node:async_hooks', events: 'node:events' },
    ...(outfile ? { outfile } : { write: false }),
  })
  return outputFiles?.[0]?.text ?? ''
}
