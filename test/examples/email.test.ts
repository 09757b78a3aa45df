import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../_server.ts'
import { freePort } from '../queues/_server-process.ts'
import { type Booted, Example, expectTestedVersions, order } from './_example.ts'

let example: Example
let start: string

beforeAll(async () => {
  example = await Example.copy('email')
  const manifest = await example.install()
  start = manifest.scripts.start
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

/** A mail server, which takes what it is sent when it is told to. */
async function mailServer(options: SMTPServerOptions = {}, port = 0) {
  const mails: string[] = []
  let accept!: () => void
  const accepting = new Promise<void>((resolve) => {
    accept = resolve
  })
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    closeTimeout: 100,
    async onData(stream, _session, done) {
      mails.push(Buffer.concat(await stream.toArray()).toString())
      await accepting
      done()
    },
    ...options,
  })
  const { server: net } = server
  server.listen(port, '127.0.0.1')
  await once(net, 'listening')
  return {
    url: `smtp://127.0.0.1:${(net.address() as AddressInfo).port}`,
    mails,
    accept,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(resolve)),
  }
}

const signUp = (server: Booted, email: string): ReturnType<Booted['send']> =>
  server.send('/signup', { method: 'POST', body: JSON.stringify({ email }) })

const tries = (server: Booted): string[] => server.log.filter((line) => line.startsWith('attempt '))

it('examples/email type-checks where it was copied to', () => example.typeCheck('node', 'server.ts'))

it('examples/email answers a sign-up before the mail server takes the mail, and is not stopped before that', async () => {
  await using mail = await mailServer()
  await using server = await example.boot(start, { SMTP_URL: mail.url })
  const answer = await signUp(server, 'ada@example.com')
  expect([answer.status, answer.text]).toEqual([201, '{"email":"ada@example.com"}'])
  await until(() => mail.mails.length === 1, 'the mail to be sent')
  const stopped = server.terminate()
  mail.accept()
  expect(await stopped).toBe(null)
  expect(order(server.log, 'answered', 'sent a welcome')).toEqual(['answered', 'sent a welcome'])
  expect(mail.mails).toHaveLength(1)
  const [head = '', text] = mail.mails[0]?.split('\r\n\r\n') ?? []
  expect(head.split('\r\n')).toEqual(
    expect.arrayContaining(['From: Example <hello@example.com>', 'To: ada@example.com', 'Subject: Welcome!']),
  )
  expect(text).toBe('Hello ada@example.com, it is good to have you.\r\n')
})

it('examples/email sends the mail, once, when the mail server is there again', async () => {
  const port = await freePort()
  const env = { SMTP_URL: `smtp://127.0.0.1:${port}`, RETRY_DELAY_MS: '200' }
  await using server = await example.boot(start, env)
  expect((await signUp(server, 'ada@example.com')).status).toBe(201)
  await server.line('attempt 1 of welcome failed')
  await using mail = await mailServer({}, port)
  mail.accept()
  await server.line('sent a welcome e-mail to ada@example.com')
  expect(mail.mails).toHaveLength(1)
})

it('examples/email reports a mail server that stays away, and answers all the same', async () => {
  const env = { SMTP_URL: `smtp://127.0.0.1:${await freePort()}`, RETRY_DELAY_MS: '1' }
  await using server = await example.boot(start, env)
  expect((await signUp(server, 'ada@example.com')).status).toBe(201)
  await server.line('gave up welcome after attempt 5: Error: connect ECONNREFUSED')
  expect(tries(server)).toHaveLength(4)
  expect((await signUp(server, 'bob@example.com')).status).toBe(201)
})

it('examples/email tries an address again that is refused for now, with the same id, and one that is refused for good never', async () => {
  const ids: (string | undefined)[] = []
  const refusals = [452, 550]
  await using mail = await mailServer({
    async onData(stream, { envelope }, done) {
      ids.push(/^Message-ID: (.*)\r$/m.exec(Buffer.concat(await stream.toArray()).toString())?.[1])
      const responseCode = refusals.shift() ?? 250
      done(responseCode < 300 ? null : Object.assign(new Error(`not ${envelope.rcptTo[0]?.address}`), { responseCode }))
    },
  })
  await using server = await example.boot(start, { SMTP_URL: mail.url, RETRY_DELAY_MS: '1' })
  await signUp(server, 'ada@example.com')
  await server.line('gave up welcome after attempt 2: NonRetryableError: ada@example.com was refused')
  expect(tries(server)).toHaveLength(1)
  expect(ids).toEqual([expect.stringMatching(/^<\S+@example.com>$/), ids[0]])
})

it('examples/email takes a list of addresses for one, which no mail server has', async () => {
  const recipients: string[] = []
  await using mail = await mailServer({
    onRcptTo({ address }, _session, done) {
      recipients.push(address)
      done()
    },
  })
  mail.accept()
  await using server = await example.boot(start, { SMTP_URL: mail.url, RETRY_DELAY_MS: '1' })
  await signUp(server, 'ada@example.com, eve@example.com')
  await until(() => server.log.some((line) => /^(sent|gave up)/.test(line)), 'the end of the task')
  expect(recipients).not.toContain('eve@example.com')
})
