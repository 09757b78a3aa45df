/** `npm run check`: what can be checked without running the library. The package must be built. */
import { spawnSync } from 'node:child_process'
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
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

/** Every TypeScript block of the README and of the documentation comments as a file, in a project for each host. */
function snippetProjects(): [host: string, tsconfig: string][] {
  const snippets = ['README.md', ...globSync('{src,adapters}/**/*.ts', { cwd: root })].flatMap((source) => {
    const text = readFileSync(join(root, source), 'utf8').replace(/^ \* ?/gm, '')
    return [...text.matchAll(/^```ts *(\w*)\n(.*?)^```$/gms)].map(([, host, code], index) => ({
      host: host || 'node',
      code: `${code}export {}\n`,
      file: `${source.replace(/\W/g, '-')}-${index + 1}.ts`,
    }))
  })
  return [...Map.groupBy(snippets, ({ host }) => host)].map(([host, blocks]) => {
    const project = join(folder, host)
    mkdirSync(project)
    symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'))
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
    for (const { file, code } of blocks) writeFileSync(join(project, file), code)
    const tsconfig = join(project, 'tsconfig.json')
    const options = {
      extends: join(root, `test/package/tsconfig.${host}.json`),
      compilerOptions: { noUnusedLocals: false },
      include: ['*.ts'],
    }
    writeFileSync(tsconfig, JSON.stringify(options))
    return [host, tsconfig]
  })
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
  for (const [host, tsconfig] of snippetProjects()) {
    check(`types of the snippets in README and comments, on ${host}`, 'tsc', ['-p', tsconfig])
  }
  check('publint', 'publint', ['--strict'], /warning|suggestion/i)
  check('npm pack', 'npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder])
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? 'no tarball'
  check('are the types wrong', 'attw', [join(folder, tarball), '--profile', 'esm-only'])
  check('deno publish', 'deno', ['publish', '--dry-run', '--allow-dirty', '--config', 'jsr.json'], /warning/i)
} finally {
  rmSync(folder, { recursive: true })
}
process.exitCode = failed === 0 ? 0 : 1
