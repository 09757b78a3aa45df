/**
 * Runs what the README shows: a block of `ts` on Node, one of `ts workers`, `ts deno` or `ts bun` in that runtime (readers
 * see no difference). `npm run check` checks their types. Each signs ada@example.com up, whom a task prints.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Booted, Example } from '../examples/_example.ts'
import { type Server, startPostgres, startRabbitMQ, startRedis } from '../queues/_servers.ts'
import { readme } from './support-table.ts'

const COMMANDS: Record<string, string> = {
  node: 'node',
  deno: 'deno run --unstable-cron --allow-net --allow-env',
  bun: 'bun',
}
const EMAIL = 'ada@example.com'

interface Snippet {
  readonly section: string
  readonly file: string
  readonly runtime: string
  readonly code: string
}

const snippets = snippetsOf(await readFile(readme, 'utf8'))
const [first] = snippets
let example: Example
/** What stands in a snippet for a server, and the one that is started here. */
let servers: (readonly [written: string, server: Server])[] = []

beforeAll(async () => {
  example = await Example.empty()
  await example.write('package.json', {
    type: 'module',
    dependencies: {
      'background-tasks': '*',
      hono: '*',
      '@hono/node-server': '*',
      zod: '*',
      '@opentelemetry/api': '*',
      piscina: '*',
      'pg-boss': '*',
      '@electric-sql/pglite': '*',
      bullmq: '*',
      ioredis: '*',
      amqplib: '*',
      croner: '*',
      '@azure/functions': '*',
    },
  })
  await example.install()
  servers = await Promise.all([
    startPostgres().then((server) => ['postgres://localhost/app', server] as const),
    startRedis().then((server) => ['redis://localhost:6379', server] as const),
    startRabbitMQ().then((server) => ['amqp://localhost', server] as const),
  ])
  const port = await freePort()
  for (const { file, code } of snippets) {
    const onPort = code.replaceAll('3000', String(port))
    await example.write(
      file,
      servers.reduce((text, [written, { url }]) => text.replaceAll(written, url), onPort),
    )
  }
  await example.write('drive.ts', driver(port))
})
afterAll(async () => {
  await Promise.all([example, ...servers.map(([, server]) => server)].map((one) => one[Symbol.asyncDispose]()))
})

it('the README shows the package in at most ten lines first', () => {
  expect(first?.code.trimEnd().split('\n').length).toBeLessThanOrEqual(10)
})

describe.each(snippets.filter(({ runtime }) => runtime !== 'workers'))('README, $section ($file)', (snippet) => {
  it(`runs on ${snippet.runtime}: the request is answered and its task runs`, async () => {
    const served = snippet.code.includes('3000') ? 'served' : 'imported'
    await using running = example.start(`${COMMANDS[snippet.runtime]} drive.ts ${snippet.file} ${served}`)
    await running.line('driven 201 signed up')
    await running.line(EMAIL)
  })
})

describe.each(snippets.filter(({ runtime }) => runtime === 'workers'))('README, $section ($file)', ({ file }) => {
  it('runs on workers: the request is answered and its task runs', async () => {
    await using worker = await bootWorker(file)
    await expectSignup(worker)
  })
})

describe("the README's first snippet runs as it is", () => {
  it('on Workers', async () => {
    await using worker = await bootWorker(first?.file ?? '')
    await expectSignup(worker)
  })

  it('with deno serve', async () => {
    await using server = await example.boot(`deno serve --port 0 ${first?.file}`)
    await expectSignup(server)
  })

  it('with bun', async () => {
    await using server = await example.boot(`bun ${first?.file}`)
    await expectSignup(server)
  })
})

async function expectSignup(server: Booted): Promise<void> {
  const answer = await server.send('/signup', { method: 'POST', body: EMAIL })
  expect([answer.status, answer.text]).toEqual([201, 'signed up'])
  await server.line(EMAIL)
}

async function bootWorker(main: string): Promise<Booted> {
  const queues = {
    producers: [
      { binding: 'TASKS', queue: 'tasks' },
      { binding: 'FAILED', queue: 'failed-tasks' },
    ],
    consumers: [{ queue: 'tasks', max_batch_timeout: 1 }],
  }
  const config = { name: 'readme', main, compatibility_date: '2026-07-01', kv_namespaces: [], queues }
  await example.write('wrangler.jsonc', { ...config, vars: { GREETING: 'welcome' } })
  return example.bootWorker()
}

function snippetsOf(text: string): Snippet[] {
  return [...text.matchAll(/^```ts ?(\w*)\n(.*?)^```$/gms)].map(([, runtime, code = ''], index, { length }) => ({
    section:
      text
        .slice(0, text.indexOf(code))
        .match(/^#+ .*$/gm)
        ?.at(-1)
        ?.replace(/^#+ /, '') ?? '',
    file: `snippet-${String(index + 1).padStart(String(length).length, '0')}.ts`,
    runtime: runtime || 'node',
    code,
  }))
}

/** A program that imports a snippet and signs up: at its server, at what it exports, or not at all where it does it itself. */
function driver(port: number): string {
  return `
    const [file, served] = process.argv.slice(2)
    const signup = { method: 'POST', body: '${EMAIL}' }
    const { default: app, handler: exported } = await import('./' + file)
    const handler = app?.fetch ?? app ?? exported
    const call = () => served === 'served' ? fetch('http://127.0.0.1:${port}/signup', signup) : handler(new Request('http://localhost/signup', signup))
    const response = handler || served === 'served' ? await call() : new Response('signed up', { status: 201 })
    console.log('driven', response.status, await response.text())
  `
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
