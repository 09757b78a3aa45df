import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../_server.ts'
import { type Booted, Example, expectTestedVersions, order } from './_example.ts'
import { printingFinished } from './_finished.ts'

let example: Example
let start: string
let env: Record<string, string>

beforeAll(async () => {
  example = await Example.copy('database')
  const manifest = await example.install()
  start = manifest.scripts.start
  env = await printingFinished(example)
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

function login(server: Booted, user: string, userAgent = 'test'): ReturnType<Booted['send']> {
  const headers = { 'content-type': 'application/json', 'user-agent': userAgent }
  return server.send('/login', { method: 'POST', headers, body: JSON.stringify({ user }) })
}

async function audit(server: Booted): Promise<unknown> {
  return JSON.parse((await server.send('/audit')).text)
}

it('examples/database type-checks where it was copied to', () => example.typeCheck('node', 'server.ts'))

it('examples/database writes the audit log and deletes what has expired after the answer, says what failed, and keeps it', async () => {
  {
    await using server = await example.boot(start, { ...env, SESSION_SECONDS: '0' })

    const answer = await login(server, 'ada')
    expect([answer.status, JSON.parse(answer.text)]).toEqual([201, { token: expect.stringMatching(/^[\da-f-]{36}$/) }])
    await server.line('deleted 1 expired sessions')
    expect(order(server.log, 'response finished', 'wrote to the audit log that ada', 'deleted 1')).toEqual([
      'response finished',
      'wrote to the audit log that ada',
      'deleted 1',
    ])
    const ada = { username: 'ada', user_agent: 'test' }
    expect(await audit(server)).toEqual({ log: [ada], failures: [], sessions: [] })

    // The handler throws when it has added its tasks.
    expect((await login(server, '')).status).toBe(500)
    expect(await audit(server), 'nothing of the login that failed').toEqual({ log: [ada], failures: [], sessions: [] })

    // A task fails: this is more than the table takes.
    expect((await login(server, 'bob', 'x'.repeat(201))).status).toBe(201)
    await until(() => server.log.filter((line) => line.startsWith('deleted')).length === 2, 'the task after it')
    // It has not been waited for: asked to stop, the server still writes it.
    expect((await login(server, 'eve', 'y'.repeat(201))).status).toBe(201)
    expect(await server.terminate()).toBe(null)
  }
  await using server = await example.boot(start, env)
  const error = 'error: value too long for type character varying(200)'
  const failure = { task: 'writeAuditLog', error }
  const log = [{ username: 'ada', user_agent: 'test' }]
  expect(await audit(server)).toEqual({ log, failures: [failure, failure], sessions: [] })
}, 60_000)
