import { afterAll, beforeAll, expect, it } from 'vitest'
import { Example, expectTestedVersions } from './_example.ts'
import { printingFinished } from './_finished.ts'

let example: Example
let start: string
let env: Record<string, string>

beforeAll(async () => {
  example = await Example.copy('dependencies')
  const manifest = await example.install()
  start = manifest.scripts.start
  env = await printingFinished(example)
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

it('examples/dependencies type-checks where it was copied to', () => example.typeCheck('node', 'server.ts'))

it('examples/dependencies runs what the middleware added, then the handler, then what it calls, and then closes the log', async () => {
  await using server = await example.boot(start, env)
  const answer = await server.send('/send-notification/ada@example.com?q=tea', { method: 'POST' })
  expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { message: 'Message sent', query: 'tea' }])
  await server.line('closed the log')
  expect(server.log.filter((line) => line !== 'answered' && !line.startsWith('http'))).toEqual([
    'response finished',
    'found query: tea',
    'message to ada@example.com',
    'greeted ada@example.com',
    'closed the log',
  ])
  await server.send('/send-notification/bob@example.com', { method: 'POST' })
  expect(await server.terminate()).toBe(null)
  expect(await example.read('log.txt')).toBe(
    'found query: tea\nmessage to ada@example.com\nmessage to bob@example.com\n',
  )
})
