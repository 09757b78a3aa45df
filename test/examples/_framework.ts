/** What the examples of Express, Fastify and Koa show, each in its framework's way. */
import { readdirSync } from 'node:fs'
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../_server.ts'
import { Example, expectTestedVersions, order } from './_example.ts'
import { webhook } from './_webhook.ts'

/**
 * @param name the folder of the example
 * @param closed what it prints after the last task when it is stopped
 * @returns gives the copy of it that these tests use
 */
export function testFrameworkExample(name: string, ...closed: string[]): () => Example {
  let example: Example
  let start: string

  beforeAll(async () => {
    example = await Example.copy(name)
    const manifest = await example.install()
    start = manifest.scripts.start
    await expectTestedVersions(manifest)
  })
  afterAll(() => example[Symbol.asyncDispose]())

  const exports = (): string[] => readdirSync(example.folder).filter((entry) => entry.startsWith('export-'))

  it(`examples/${name} type-checks where it was copied to`, () => example.typeCheck('node', 'server.ts'))

  it(`examples/${name} answers a sign-up before its tasks, runs them in order, and is not stopped by one that still runs`, async () => {
    await using hook = await webhook()
    await using server = await example.boot(start, { WEBHOOK_URL: hook.url })
    const answer = await server.send('/signup', json({ email: 'ada@example.com' }))
    expect([answer.status, answer.text]).toEqual([201, '{"email":"ada@example.com"}'])
    await until(() => hook.calls.length === 1, 'the webhook to be called')
    const stopped = server.terminate()
    await refusal(server.url)
    hook.answer()
    // No exit code: it died by the signal.
    expect(await stopped).toBe(null)
    expect(hook.calls).toEqual(['ada@example.com'])
    const steps = ['answered', 'told the webhook of ada@example.com', 'audit: ada@example.com signed up', ...closed]
    expect(order(server.log, ...steps)).toEqual(steps)
  })

  it(`examples/${name} sends no receipt where the handler failed; a socket that is kept alive serves many requests`, async () => {
    await using server = await example.boot(start)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ids = Array.from({ length: 15 }, (_, i) => `${i}!`)
    for (const [i, id] of ids.entries()) {
      const asked = request(`${server.url}/orders`, { ...json({}), agent })
      asked.end(JSON.stringify({ id, card: i === 1 ? 'declined' : 'valid' }))
      const answer = await responseTo(asked)
      expect([answer.statusCode, asked.reusedSocket]).toEqual([i === 1 ? 500 : 201, i > 0])
      await text(answer)
    }
    agent.destroy()
    expect(await server.terminate()).toBe(null)
    const receipts = server.log.filter((line) => line.startsWith('sent the receipt'))
    expect(receipts).toEqual(ids.toSpliced(1, 1).map((id) => `sent the receipt of order ${id}`))
    // An eleventh listener on the socket would print one.
    expect(server.log.join('\n')).not.toContain('Warning')
  })

  it(`examples/${name} keeps an export while it is downloaded, and deletes it then, also when the client leaves`, async () => {
    await using server = await example.boot(start, { TMPDIR: example.folder })
    expect((await server.send('/export.csv')).text).toHaveLength(4_000_000)
    await until(() => exports().length === 0, 'the first export to be deleted')
    const download = request(`${server.url}/export.csv`).end()
    const response = await responseTo(download)
    await server.send('/orders', json({ id: '1', card: 'valid' }))
    expect(exports()).toHaveLength(1)
    response.on('error', () => {}).destroy()
    await until(() => exports().length === 0, 'the second export to be deleted')
    expect(await server.terminate()).toBe(null)
    expect(server.log.filter((line) => line.includes('downloaded, or given up'))).toHaveLength(2)
  })

  return () => example
}

function json(body: object): { method: string; headers: Record<string, string>; body: string } {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

function responseTo(asked: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => asked.on('response', resolve).on('error', reject))
}

/** Waits until the server takes no new connections. */
async function refusal(url: string): Promise<void> {
  const ask = (): Promise<boolean> =>
    fetch(url, { headers: { connection: 'close' } }).then(
      () => true,
      () => false,
    )
  while (await ask());
}
