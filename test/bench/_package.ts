/** What the package costs before it does anything: its import, and its size. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { Child } from './_child.ts'
import { PYTHON } from './_started.ts'

export const root: string = fileURLToPath(new URL('../..', import.meta.url))

const NAME = 'background-tasks'
const IMPORTED = [
  NAME,
  `${NAME}/node`,
  `${NAME}/hono`,
  'on-finished',
  'hono',
  'srvx',
  'h3',
  'fastify',
  'express',
  'elysia',
]
/** What runs in a browser or a Worker too, where size is asked for. */
const SIZED = ['on-finished', 'hono', 'h3', 'elysia']
const PYTHON_IMPORT =
  'import time; since = time.perf_counter(); import fastapi; print((time.perf_counter() - since) * 1000)'

/** Milliseconds by what is imported, in alternating rounds of fresh processes. */
export async function measureImports(rounds: number, withPython: boolean): Promise<Map<string, number[]>> {
  const figures = new Map<string, number[]>()
  const note = (name: string, ms: number): void => void figures.set(name, [...(figures.get(name) ?? []), ms])
  for (let round = 0; round < rounds; round++) {
    for (const specifier of round % 2 === 0 ? IMPORTED : IMPORTED.toReversed()) {
      using child = new Child('./_import.ts', [specifier])
      note(specifier, (await child.answer<{ ms: number }>()).ms)
    }
    if (withPython) {
      const { stdout } = await promisify(execFile)(PYTHON, ['-c', PYTHON_IMPORT])
      note('fastapi (Python)', Number(stdout))
    }
  }
  return figures
}

export interface Size {
  readonly minified: number
  readonly gzipped: number
}

/** Bytes by entry, each as one file; what an entry adapts, its peer, is no part of it. */
export async function measureSizes(): Promise<Map<string, Size>> {
  const { exports } = JSON.parse(await readFile(`${root}/package.json`, 'utf8')) as {
    exports: Record<string, string | { default: string }>
  }
  const figures = new Map<string, Size>()
  for (const [subpath, target] of Object.entries(exports)) {
    if (typeof target === 'object') figures.set(NAME + subpath.slice(1), await sizeOf(target.default, 'external'))
  }
  for (const name of SIZED) figures.set(name, await sizeOf(name, 'bundle'))
  return figures
}

async function sizeOf(entry: string, packages: 'external' | 'bundle'): Promise<Size> {
  const { outputFiles } = await build({
    stdin: { contents: `export * from '${entry}'`, resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    packages,
    write: false,
  })
  const code = outputFiles[0]?.contents ?? new Uint8Array()
  return { minified: code.length, gzipped: gzipSync(code, { level: 9 }).length }
}
