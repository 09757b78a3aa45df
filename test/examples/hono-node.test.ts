import { afterAll, beforeAll, expect, it } from 'vitest'
import { Example, expectTestedVersions, order } from './_example.ts'

let example: Example
let start: string

beforeAll(async () => {
  example = await Example.copy('hono-node')
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

it('examples/hono-node type-checks where it was copied to', () => example.typeCheck('node', 'server.ts'))

it('examples/hono-node answers a sign-up, then sends the e-mail, then writes the audit log', async () => {
  await using server = await example.boot(start)
  const answer = await server.send('/signup', signup)
  expect([answer.status, answer.text]).toEqual([201, signup.body])
  await server.line('sent a welcome e-mail to ada@example.com')
  expect(order(server.log, 'answered', 'sent a welcome')).toEqual(['answered', 'sent a welcome'])
  expect(await server.terminate()).toBe(null)
  expect(await example.read('audit.log')).toMatch(/^\S+Z ada@example.com signed up\n$/)
})

it('examples/hono-node finishes its tasks when it is asked to stop', async () => {
  await using server = await example.boot(start)
  await server.send('/signup', signup)
  expect(await server.terminate()).toBe(null)
  expect(order(server.log, 'answered', 'sent a welcome')).toEqual(['answered', 'sent a welcome'])
})
