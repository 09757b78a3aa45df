/** Runs the `scenario` that a module exports on a real runtime, and gives what it returned. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build, type Format } from 'esbuild'
import { Miniflare } from 'miniflare'

const here: string = fileURLToPath(new URL('.', import.meta.url))
const bin = (command: string): string => join(here, '../../node_modules', command)

/** Those that run TypeScript as it is. */
export type Runtime = 'node' | 'deno' | 'bun'
const options: Record<Runtime, string[]> = {
  node: ['--expose-gc'],
  deno: ['run', '--no-config', '--node-modules-dir=manual', '--allow-all'],
  bun: [],
}

export async function scenarioOn(runtime: Runtime, file: string): Promise<unknown> {
  return printed(`.bin/${runtime}`, [...options[runtime], '_scenario-main.ts', `./${file}`])
}

/** Bundled for Node, and run by the oldest that is supported. */
export async function scenarioOnNode20(file: string, format: Format): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'scenario-'))
  try {
    const script = join(folder, format === 'cjs' ? 'bundle.cjs' : 'bundle.mjs')
    const main = `scenario().then((result) => console.log(JSON.stringify(result)))`
    await writeFile(script, await bundled(file, main, format))
    return await printed('node-20/bin/node', [script])
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Bundled for Workers, and run in workerd with these compatibility flags. */
export async function scenarioOnWorkerd(file: string, compatibilityFlags: string[]): Promise<unknown> {
  const main = `export default {
    async fetch() {
      try {
        return Response.json(await scenario())
      } catch (error) {
        return Response.json(String(error))
      }
    },
  }`
  const miniflare = new Miniflare({
    modules: [{ type: 'ESModule', path: 'worker.mjs', contents: await bundled(file, main, 'esm') }],
    compatibilityDate: '2026-07-01',
    compatibilityFlags,
    cf: false,
  })
  try {
    return await (await miniflare.dispatchFetch('http://localhost/')).json()
  } finally {
    await miniflare.dispose()
  }
}

async function printed(command: string, args: string[]): Promise<unknown> {
  const env = { ...process.env, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' }
  const { stdout, stderr } = await promisify(execFile)(bin(command), args, { cwd: here, env, timeout: 25_000 })
  if (stderr) throw new Error(`${command} complained: ${stderr}`)
  return JSON.parse(stdout)
}

/** Nothing is said of what the runtime has built in: a user's bundler is not told either. */
async function bundled(file: string, main: string, format: Format): Promise<string> {
  const { outputFiles, warnings } = await build({
    stdin: { contents: `import { scenario } from './${file}'\n${main}`, resolveDir: here },
    bundle: true,
    format,
    target: 'es2022',
    write: false,
  })
  if (warnings.length > 0) throw new Error(`esbuild warns: ${warnings.map(({ text }) => text).join('; ')}`)
  return outputFiles[0]?.text ?? ''
}
