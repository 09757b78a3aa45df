/** `npm run check`: what can be checked without running the library. The package must be built. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'background-tasks-check-'))
let failed = 0

/** Runs a tool; shows what it printed only where it failed, or said a word that must not be said. */
function check(name: string, command: string, args: readonly string[], forbidden?: RegExp): void {
  const started = performance.now()
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1' },
  })
  const output = `${stdout}${stderr}${error ?? ''}`
  const isGood = status === 0 && !forbidden?.test(output)
  if (!isGood) failed++
  console.log(`${isGood ? 'ok    ' : 'FAILED'} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
  if (!isGood) console.log(output)
}

/** Every TypeScript block of the README as a file, in a project that sees the built package by its name. */
function snippetProject(): string {
  const snippets = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)]
  snippets.forEach(([, code = ''], index) => {
    writeFileSync(join(folder, `snippet-${index}.ts`), `${code}export {}\n`)
  })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: join(root, 'test/package/tsconfig.snippets.json'),
      compilerOptions: { paths: packagePaths(), typeRoots: [join(root, 'node_modules/@types')] },
      include: ['*.ts'],
    }),
  )
  return join(folder, 'tsconfig.json')
}

function packagePaths(): Record<string, string[]> {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return Object.fromEntries(
    Object.entries<{ types?: string }>(exports)
      .filter(([, { types }]) => types)
      .map(([subpath, { types = '' }]) => [`background-tasks${subpath.slice(1)}`, [join(root, types)]]),
  )
}

try {
  check('format and lint', 'biome', [
    'check',
    '--error-on-warnings',
    '--config-path=test/package/lint-and-format.json',
    '.',
  ])
  check('types of src and adapters', 'tsc', ['-p', '.'])
  check('types of test and of the examples on Node', 'tsc', ['-p', 'test'])
  for (const name of ['workers', 'bun', 'deno']) {
    check(`types of the examples on ${name}`, 'tsc', ['-p', `test/package/tsconfig.${name}.json`])
  }
  check('types of the snippets in the README', 'tsc', ['-p', snippetProject()])
  check('publint', 'publint', ['--strict'], /warning|suggestion/i)
  check('npm pack', 'npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder])
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? 'no tarball'
  check('are the types wrong', 'attw', [join(folder, tarball), '--profile', 'esm-only'])
  check('deno publish', 'deno', ['publish', '--dry-run', '--allow-dirty', '--config', 'jsr.json'], /warning/i)
} finally {
  rmSync(folder, { recursive: true })
}
process.exitCode = failed === 0 ? 0 : 1
