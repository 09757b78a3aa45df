import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Listening, listening, until } from '../_server.ts'
import { type Booted, Example, expectTestedVersions, order } from './_example.ts'

let example: Example
let scripts: { readonly start: string; readonly receiver: string }

beforeAll(async () => {
  example = await Example.copy('webhook')
  const manifest = await example.install()
  scripts = manifest.scripts as typeof scripts
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

const WEBHOOK_SECRET = `whsec_${Buffer.from('a test needs no better secret').toString('base64')}`
const env = { WEBHOOK_SECRET, RETRY_DELAY_MS: '1' }

interface Call {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A partner that answers one call after the other with these statuses, and then with 200. */
async function partner(...statuses: number[]): Promise<Listening & { readonly calls: Call[]; answer(): void }> {
  const calls: Call[] = []
  let answer!: () => void
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })
  const server = await listening(async (req, res) => {
    const status = statuses[calls.length] ?? 200
    calls.push({ headers: req.headers, body: Buffer.concat(await req.toArray()).toString() })
    await answered
    res.writeHead(status, { location: '/elsewhere' }).end('so it is')
  })
  return { ...server, calls, answer, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

const place = (server: Booted): ReturnType<Booted['send']> => server.send('/orders', { method: 'POST' })

it('examples/webhook type-checks where it was copied to', () => example.typeCheck('node', 'server.ts', 'receiver.ts'))

it('examples/webhook answers an order, then tells the partner until it takes it: one event, one id, signed each time', async () => {
  await using receiver = await partner(503, 429)
  await using server = await example.boot(scripts.start, { ...env, WEBHOOK_URL: receiver.url })
  const answer = await place(server)
  expect(answer.status).toBe(201)
  await until(() => receiver.calls.length === 1, 'the partner to be called')
  receiver.answer()
  await server.line('told the webhook of order.created at attempt 3')
  expect(order(server.log, 'answered', 'told')[0]).toBe('answered')
  expect(server.log.filter((line) => line.startsWith('webhook: attempt'))).toEqual([
    'webhook: attempt 1 failed, Error: The webhook said 503',
    'webhook: attempt 2 failed, Error: The webhook said 429',
  ])
  expect(receiver.calls).toHaveLength(3)
  for (const { headers, body } of receiver.calls) {
    const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = headers
    expect(id).toBe(answer.headers.get('webhook-id'))
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60)
    const hmac = createHmac('sha256', 'a test needs no better secret').update(`${id}.${timestamp}.${body}`)
    expect(signature).toBe(`v1,${hmac.digest('base64')}`)
    expect(body).toBe(receiver.calls[0]?.body)
    expect(JSON.parse(body)).toEqual({
      type: 'order.created',
      timestamp: expect.any(String),
      data: JSON.parse(answer.text),
    })
  }
})

it('examples/webhook does not come again where it was refused, or sent to somewhere else', async () => {
  const refusals = [400, 404, 410, 302]
  await using receiver = await partner(...refusals)
  receiver.answer()
  await using server = await example.boot(scripts.start, { ...env, WEBHOOK_URL: receiver.url })
  for (const status of refusals) {
    expect((await place(server)).status).toBe(201)
    await server.line(`gave up after attempt 1, NonRetryableError: The webhook said ${status}`)
  }
  expect(receiver.calls).toHaveLength(refusals.length)
})

it('examples/webhook reports a partner that stays away', async () => {
  await using receiver = await partner(...Array(6).fill(500))
  receiver.answer()
  await using server = await example.boot(scripts.start, { ...env, WEBHOOK_URL: receiver.url })
  expect((await place(server)).status).toBe(201)
  await server.line('gave up after attempt 6, Error: The webhook said 500')
  expect(receiver.calls).toHaveLength(6)
})

it('examples/webhook has a partner that ships an order once, and nothing that is not signed by its secret', async () => {
  await using receiver = await example.boot(scripts.receiver, env)
  await using server = await example.boot(scripts.start, { ...env, WEBHOOK_URL: receiver.url })
  const { text } = await place(server)
  const shipped = `shipping order ${JSON.parse(text).id}`
  await receiver.line(shipped)
  // What somebody else sends.
  const forged = {
    'webhook-id': 'x',
    'webhook-timestamp': `${Math.floor(Date.now() / 1000)}`,
    'webhook-signature': 'v1,x',
  }
  expect((await receiver.send('/', { method: 'POST', body: '{}', headers: forged })).status).toBe(401)
  expect((await receiver.send('/', { method: 'POST', body: '{}' })).status).toBe(401)
  // What the server would have sent: at another time, and twice.
  const signed = (id: string, timestamp: number): RequestInit => {
    const body = '{"data":{"id":"again"}}'
    const hmac = createHmac('sha256', 'a test needs no better secret').update(`${id}.${timestamp}.${body}`)
    // With the signature by an older secret, as while it is being changed.
    const signature = `v1,old v1,${hmac.digest('base64')}`
    const headers = { 'webhook-id': id, 'webhook-timestamp': `${timestamp}`, 'webhook-signature': signature }
    return { method: 'POST', body, headers }
  }
  const now = Math.floor(Date.now() / 1000)
  expect((await receiver.send('/', signed('old', now - 400))).status).toBe(401)
  expect((await receiver.send('/', signed('twice', now))).status).toBe(200)
  expect((await receiver.send('/', signed('twice', now))).status).toBe(200)
  await receiver.terminate()
  expect(receiver.log.filter((line) => line.startsWith('shipping'))).toEqual([shipped, 'shipping order again'])
})

it('examples/webhook says that its secret is missing', async () => {
  await expect(example.boot(scripts.start, { WEBHOOK_SECRET: '' })).rejects.toThrow('Set WEBHOOK_SECRET')
})
