import { execFileSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const list = (pattern: string): string[] => globSync(pattern, { cwd: root }).sort()
const manifest = JSON.parse(read('package.json'))
const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json')

/** Neither blank nor comment. */
function codeLines(text: string): number {
  return text.split('\n').filter((line) => !/^\s*($|\/\/|\/?\*)/.test(line)).length
}

function importsOf(file: string): string[] {
  const code = read(file).replace(/\/\*.*?\*\//gs, '')
  return [...code.matchAll(/\b(?:from|import|require)\b[\s?.(]*'([^']+)'/g)].map(([, specifier = '']) =>
    specifier.startsWith('.') ? join(dirname(file), specifier) : specifier,
  )
}

describe('who may import whom', () => {
  test.each(list('src/*.ts'))('%s imports the core alone, and index.ts also detection', (file) => {
    const others = importsOf(file).filter((specifier) => !specifier.startsWith('src/'))
    expect(others).toEqual(file === 'src/index.ts' ? ['adapters/detect.ts'] : [])
  })

  test.each(list('adapters/**/*.ts'))(
    '%s imports the core, private helpers, and at most the package it adapts',
    (file) => {
      const allowed: Record<string, string[]> = {
        'adapters/context.ts': ['node:async_hooks'],
        'adapters/hono.ts': ['hono', 'adapters/detect.ts'],
        'adapters/observers/_trace-context.ts': ['@opentelemetry/api'],
        'adapters/observers/opentelemetry.ts': ['@opentelemetry/api'],
        'adapters/queues/_bullmq-like.ts': ['bullmq', 'ioredis'],
        'adapters/queues/_pg-store.ts': ['pg-boss'],
        'adapters/queues/_pglite.ts': ['@electric-sql/pglite'],
        'adapters/queues/rabbitmq.ts': ['amqplib'],
        'adapters/schedules/croner.ts': ['croner'],
        'adapters/threads.ts': ['piscina'],
      }
      const others = importsOf(file).filter((specifier) => !/^(src\/|adapters\/(\w+\/)?_)/.test(specifier))
      expect(others.filter((specifier) => !allowed[file]?.includes(specifier))).toEqual([])
    },
  )

  test('the package has no runtime dependency', () => {
    expect(manifest.dependencies).toBe(undefined)
    expect(Object.keys(manifest.peerDependencies)).toEqual(Object.keys(manifest.peerDependenciesMeta))
  })
})

describe('budgets', () => {
  test('src is at most 1096 lines of JavaScript, types and comments apart', () => {
    const lines = list('dist/src/*.js').map((file) => codeLines(read(file)))
    expect(lines.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(1096)
  })

  test.each(list('{src,adapters}/**/*.ts'))('%s is at most 120 lines of code, the engine of a queue 150', (file) => {
    expect(codeLines(read(file))).toBeLessThanOrEqual(file.startsWith('adapters/queues/') ? 150 : 120)
  })

  test.each(
    list('adapters/{bun,deno,detached,detect,hono,lambda,netlify,node,service-worker,vercel,wait-until,workers}.ts'),
  )('%s is at most 80 lines of code, as a host needs no more', (file) => {
    expect(codeLines(read(file))).toBeLessThanOrEqual(80)
  })

  test.each([
    ['everything the root entry exports', '*', 9430],
    ['withBackgroundTasks alone', '{ withBackgroundTasks }', 9120],
  ])('%s is small, minified and gzipped', async (what, names, limit) => {
    const { outputFiles } = await build({
      stdin: { contents: `export ${names} from './dist/src/index.js'`, resolveDir: root },
      bundle: true,
      minify: true,
      format: 'esm',
      write: false,
    })
    const size = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
    console.log(`${what}: ${size} bytes, minified and gzipped`)
    expect(size).toBeLessThanOrEqual(limit)
  })
})

describe('the public surface', () => {
  test('every adapter has its subpath, and every subpath its adapter, for npm and for JSR', () => {
    const adapters = list('adapters/**/*.ts')
      .map((file) => file.slice('adapters/'.length, -'.ts'.length))
      .filter((name) => !basename(name).startsWith('_'))
    expect(subpaths).toEqual(['.', ...adapters.map((name) => `./${name}`)])
    const sources = Object.fromEntries(adapters.map((name) => [`./${name}`, `./adapters/${name}.ts`]))
    const jsr = JSON.parse(read('jsr.json'))
    expect(jsr.exports).toEqual({ '.': './src/index.ts', ...sources })
    expect(jsr.version).toBe(manifest.version)
    // Otherwise JSR's copy asks for the version that is installed here.
    const peers = Object.entries(manifest.peerDependencies)
    expect(jsr.imports).toEqual(Object.fromEntries(peers.map(([name, range]) => [name, `npm:${name}@${range}`])))
  })

  test('the README names every subpath', () => {
    const readme = read('README.md')
    for (const subpath of subpaths) expect(readme).toContain(`background-tasks${subpath.slice(1)}`)
  })

  test('exports these names', async () => {
    const names: Record<string, string[]> = {}
    for (const subpath of subpaths) {
      const { default: file } = manifest.exports[subpath]
      names[subpath] = Object.keys(await import(join(root, file))).sort()
    }
    expect(names).toEqual({
      '.': [
        'BackgroundTasks',
        'NonRetryableError',
        'QueueError',
        'TaskInputError',
        'TaskTimeoutError',
        'TooManyTasksError',
        'createBackgroundTasks',
        'defineTask',
        'withBackgroundTasks',
      ],
      './bun': ['bun', 'gracefulShutdown'],
      './context': ['addTask', 'currentTasks', 'taskContext', 'withTaskContext'],
      './deno': ['deno', 'gracefulShutdown'],
      './detached': ['detached'],
      './detect': ['detect'],
      './hono': ['backgroundTasks'],
      './lambda': ['lambda', 'streaming'],
      './netlify': ['netlify'],
      './node': ['createTasksFor', 'gracefulShutdown', 'node', 'tasksFor', 'trackResponses'],
      './observers/diagnostics-channel': ['diagnosticsChannel'],
      './observers/opentelemetry': ['openTelemetry'],
      './queues/bullmq': ['bullmq'],
      './queues/cloudflare': ['cloudflare'],
      './queues/memory': ['memory'],
      './queues/pg-boss': ['pgBoss'],
      './queues/rabbitmq': ['rabbitmq'],
      './schedules/croner': ['croner'],
      './schedules/deno': ['deno'],
      './schedules/workers': ['workers'],
      './service-worker': ['fetchListener', 'serviceWorker'],
      './testing': ['recordTasks'],
      './threads': ['inThread'],
      './vercel': ['vercel'],
      './wait-until': ['waitUntil'],
      './workers': ['workers'],
    })
  })

  test('nothing else lies at the top level', () => {
    const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
      cwd: root,
      encoding: 'utf8',
    })
    const top = new Set(
      tracked
        .trim()
        .split('\n')
        .map((file) => file.split('/')[0]),
    )
    expect([...top].sort()).toEqual([
      '.ci',
      '.gitignore',
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'LICENSE',
      'README.md',
      'adapters',
      'examples',
      'jsr.json',
      'package-lock.json',
      'package.json',
      'src',
      'test',
      'tsconfig.json',
    ])
  })
})

describe('the package as it is published', () => {
  let folder: string
  let files: string[]

  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, DENO_NO_UPDATE_CHECK: '1' },
    }).trim()

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'background-tasks-pack-'))
    const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
    })
    const [pack] = Object.values<any>(JSON.parse(packed))
    files = pack.files.map(({ path }: { path: string }) => path)
    writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }')
    run('npm', 'install', '--offline', '--no-audit', '--no-fund', `./${pack.filename}`)
    writeFileSync(
      join(folder, 'use.js'),
      `import { withBackgroundTasks } from 'background-tasks'
       import { detached } from 'background-tasks/detached'
       const log = []
       const handler = withBackgroundTasks((_request, tasks) => {
         tasks.add((name) => log.push(name), 'task')
         return new Response('ok')
       }, { adapter: detached() })
       log.push(await (await handler(new Request('http://localhost/'))).text())
       await handler.drain()
       console.log(log.join())`,
    )
  }, 120_000)

  afterAll(() => rmSync(folder, { recursive: true }))

  test('holds what a user needs, and nothing else', () => {
    const kinds = new Set(
      files.map((file) =>
        file.replace(/^((?:dist\/)?(?:src|adapters(?:\/(?:observers|queues|schedules))?))\/[^/.]+(?=\.)/, '$1/*'),
      ),
    )
    expect([...kinds].sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'adapters/*.ts',
      'adapters/observers/*.ts',
      'adapters/queues/*.ts',
      'adapters/schedules/*.ts',
      'dist/adapters/*.d.ts',
      'dist/adapters/*.d.ts.map',
      'dist/adapters/*.js',
      'dist/adapters/*.js.map',
      'dist/adapters/observers/*.d.ts',
      'dist/adapters/observers/*.d.ts.map',
      'dist/adapters/observers/*.js',
      'dist/adapters/observers/*.js.map',
      'dist/adapters/queues/*.d.ts',
      'dist/adapters/queues/*.d.ts.map',
      'dist/adapters/queues/*.js',
      'dist/adapters/queues/*.js.map',
      'dist/adapters/schedules/*.d.ts',
      'dist/adapters/schedules/*.d.ts.map',
      'dist/adapters/schedules/*.js',
      'dist/adapters/schedules/*.js.map',
      'dist/src/*.d.ts',
      'dist/src/*.d.ts.map',
      'dist/src/*.js',
      'dist/src/*.js.map',
      'package.json',
      'src/*.ts',
    ])
  })

  test('holds the source that each source map names', () => {
    for (const file of files.filter((name) => name.endsWith('.js.map'))) {
      const { sources } = JSON.parse(read(file))
      for (const source of sources) expect(files).toContain(join(dirname(file), source))
    }
  })

  test('brings nothing along', () => {
    expect(existsSync(join(folder, 'node_modules/background-tasks'))).toBe(true)
    expect(existsSync(join(folder, 'node_modules/hono'))).toBe(false)
  })

  test('has types of its own, for which nothing else needs to be installed', () => {
    const ofPeers = ['./hono', './observers/opentelemetry']
    const importable = subpaths.filter((subpath) => !ofPeers.includes(subpath))
    const imports = importable.map((subpath, index) => {
      return `export * as subpath${index} from 'background-tasks${subpath.slice(1)}'`
    })
    writeFileSync(join(folder, 'use.ts'), `${read('test/types/tasks.ts')}\n${imports.join('\n')}`)
    const options = '--strict --noEmit --module nodenext --target es2022 --lib es2022,dom --types'.split(' ')
    expect(run(join(root, 'node_modules/.bin/tsc'), ...options, '', 'use.ts')).toBe('')
  })

  test.each([
    ['Node 20', join(root, 'node_modules/node-20/bin/node'), []],
    ['Node 24', join(root, 'node_modules/node/bin/node'), []],
    ['Deno', join(root, 'node_modules/.bin/deno'), ['run', '--no-lock']],
    ['Bun', join(root, 'node_modules/.bin/bun'), ['run']],
  ])('works on %s', (_name, command, args) => {
    expect(run(command, ...args, 'use.js')).toBe('ok,task')
  })
})
