import { afterAll, beforeAll, expect, it } from 'vitest'
import { Example, expectTestedVersions, order } from './_example.ts'

let example: Example
let start: string

beforeAll(async () => {
  example = await Example.copy('opentelemetry')
  const manifest = await example.install()
  start = manifest.scripts.start
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

const signup: RequestInit = {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: '{"email":"ada@example.com"}',
}

it('examples/opentelemetry type-checks where it was copied to', () => example.typeCheck('node', 'server.ts'))

it("examples/opentelemetry prints the span of the task, linked to the request's, after the response", async () => {
  await using server = await example.boot(start)
  const answer = await server.send('/signup', signup)
  expect([answer.status, answer.text]).toEqual([201, signup.body])
  await server.line("'task sendWelcomeEmail'")
  expect(order(server.log, 'answered', 'sent a welcome', 'task sendWelcomeEmail')).toEqual([
    'answered',
    'sent a welcome',
    'task sendWelcomeEmail',
  ])
  const log = server.log.join('\n')
  const requestSpan = /^span (\w{16}) 'POST \/signup'$/m.exec(log)?.[1]
  const linked = /^span \w{16} 'task sendWelcomeEmail' linked to (\w{16})$/m.exec(log)?.[1]
  expect(requestSpan).toBeDefined()
  expect(linked).toBe(requestSpan)
})

it('examples/opentelemetry ends its spans when it is asked to stop', async () => {
  await using server = await example.boot(start)
  await server.send('/signup', signup)
  expect(await server.terminate()).toBe(null)
  expect(server.log.at(-1)).toContain("'task sendWelcomeEmail'")
})
