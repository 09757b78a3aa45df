import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

const compilers = {
  'TypeScript 7': '../../node_modules/typescript/bin/tsc',
  'TypeScript 5': '../../node_modules/typescript-5/bin/tsc',
} as const

const modules = { nodenext: 'nodenext', esnext: 'bundler' } as const

/** Our types as a user's project sees them: built, imported by name, and checked like the project's own. */
const projects = {
  workers: { file: 'workers.ts', types: '@cloudflare/workers-types', lib: 'es2022' },
  deno: { file: 'deno.ts', types: 'deno', lib: 'esnext,dom,dom.iterable,dom.asynciterable' },
  bun: { file: 'bun.ts', types: 'bun', lib: 'es2023' },
  node: { file: 'node.ts', types: 'node', lib: 'es2022,dom,dom.iterable' },
  // On Node, without the DOM.
  tasks: { file: 'tasks.ts', types: 'node', lib: 'es2022' },
  schemas: { file: 'schemas.ts', types: 'node', lib: 'es2022' },
} as const

const cases = Object.keys(projects).flatMap((project) =>
  Object.keys(compilers).flatMap((compiler) =>
    Object.keys(modules).map((module) => [project, compiler, module] as const),
  ),
) as [keyof typeof projects, keyof typeof compilers, keyof typeof modules][]

test.each(cases)(
  '%s: the types hold, and what must not compile does not, with %s and module %s',
  { timeout: 120_000 },
  async (project, compiler, module) => {
    const { file, types, lib } = projects[project]
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', module, '--lib', lib, '--types', types]
    const arguments_ = [path(compilers[compiler]), '--moduleResolution', modules[module], ...options, path(file)]
    if (compiler === 'TypeScript 7') arguments_.push('--ignoreConfig')
    const output = await new Promise((resolve) => {
      execFile(process.execPath, arguments_, { cwd: path('.') }, (_error, stdout, stderr) => resolve(stdout + stderr))
    })
    expect(output).toBe('')
  },
)
