import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Left } from './_memory.ts'
import type { ServerAnswer, ServerQuestion } from './_memory-server.ts'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

describe('nothing of a request is left in memory once its list has settled', () => {
  test.each([
    ['Node 24', 'node/bin/node', ['--expose-gc'], 0],
    ['Node 26', 'node-26/bin/node', ['--expose-gc'], 0],
    ['Deno', '.bin/deno', ['run', '--no-config', '--v8-flags=--expose-gc'], 0],
    // Its collector looks for references on the stack, and takes some numbers for one.
    ['Bun', '.bin/bun', [], 5],
  ])('on %s', { timeout: 60_000 }, async (_name, command, flags, tolerated) => {
    const { stdout } = await promisify(execFile)(path(`../node_modules/${command}`), [...flags, path('_memory.ts')], {
      timeout: 50_000,
    })
    const cases = Object.entries(JSON.parse(stdout) as Left)
    expect(cases.length).toBeGreaterThan(5)
    const left = cases.flatMap(([name, kinds]) => Object.entries(kinds).map(([kind, count]) => ({ name, kind, count })))
    expect(left.filter(({ count }) => count > tolerated)).toEqual([])
  })
})

describe('a server on Node', () => {
  let server: ChildProcess
  let port: number
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })

  beforeAll(async () => {
    server = fork(path('_memory-server.ts'), {
      execPath: path('../node_modules/node/bin/node'),
      execArgv: ['--expose-gc'],
    })
    port = ((await once(server, 'message')) as [{ port: number }])[0].port
  })

  afterAll(async () => {
    agent.destroy()
    server.kill()
    await once(server, 'exit')
  })

  async function ask(question: ServerQuestion | 'abandon'): Promise<ServerAnswer> {
    server.send(question)
    return ((await once(server, 'message')) as [ServerAnswer])[0]
  }

  async function begin(url: string, on?: Agent): Promise<IncomingMessage> {
    const sent = request({ host: '127.0.0.1', port, path: url, agent: on ?? false }).end()
    return ((await once(sent, 'response')) as [IncomingMessage])[0]
  }

  async function visit(url: string, on?: Agent): Promise<void> {
    const response = await begin(url, on)
    await once(response.resume(), 'end')
  }

  async function leave(url: string): Promise<void> {
    const response = await begin(url)
    await once(response, 'data')
    response.destroy()
  }

  async function visitMany(count: number): Promise<void> {
    let left = count
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (left-- > 0) await visit(left % 10 === 0 ? '/many/fails' : '/many', agent)
      }),
    )
  }

  test.each([
    ['after its tasks ran', '/', visit],
    ['after a task failed', '/fails', visit],
    ['after its handler threw', '/throws', visit],
    ['after its client left in the middle of the body', '/streams', leave],
    ['after its task hung and was abandoned', '/hangs', visit],
  ])('keeps nothing of a request %s', async (_name, url, go) => {
    for (let i = 0; i < 20; i++) await go(url)
    const { left } = await ask(url === '/hangs' ? 'abandon' : 'left')
    expect(left).toEqual({})
  })

  test('has a heap after 20,000 requests like that after 5,000', { timeout: 120_000 }, async () => {
    await visitMany(5_000)
    const before = await ask('heap')
    await visitMany(15_000)
    const after = await ask('heap')
    // The smallest object for each request would be 240 kB.
    expect(after.heap - before.heap).toBeLessThan(200_000)
  })
})
