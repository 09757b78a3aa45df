import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** The core's own tests; the others ask for servers or tools of the newer runtimes. */
const files = [
  'background-tasks',
  'create-background-tasks',
  'options',
  'resource',
  'run-list',
  'run-task',
  'with-background-tasks',
]

test("the core's own tests pass on Node 20", { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'node-20-'))
  try {
    expect(readdirSync(path('..'))).toEqual(expect.arrayContaining(files.map((file) => `${file}.test.ts`)))
    await build({
      entryPoints: files.map((file) => path(`../${file}.test.ts`)),
      alias: { vitest: path('../_node-test-shim.ts') },
      inject: [path('../setup.ts')],
      outdir: folder,
      outExtension: { '.js': '.cjs' },
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node20',
      // The names of functions are the names of tasks.
      keepNames: true,
    })
    const child = spawn(path('../../node_modules/node-20/bin/node'), ['--test', '--test-reporter=tap', folder])
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      output += chunk
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    expect(code, output.slice(Math.max(0, output.indexOf('not ok'))).slice(0, 2000)).toBe(0)
    const counted = (what: string): number => Number(output.match(new RegExp(`^# ${what} (\\d+)$`, 'm'))?.[1])
    expect(counted('pass')).toBe(counted('tests'))
    expect(counted('pass'), 'how many they are').toBeGreaterThanOrEqual(100)
  } finally {
    await rm(folder, { recursive: true })
  }
})
