import { afterAll, beforeAll, expect, it } from 'vitest'
import { Example, expectTestedVersions, order } from './_example.ts'

let example: Example
let start: string

beforeAll(async () => {
  example = await Example.copy('bun')
  const manifest = await example.install()
  start = manifest.scripts.start
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

it('examples/bun type-checks where it was copied to', () => example.typeCheck('bun', 'server.ts'))

it('examples/bun answers who closes an account, then deletes the files, then writes the audit log', async () => {
  await using server = await example.boot(start)
  expect(await server.send('/accounts/7', { method: 'DELETE' })).toMatchObject({ status: 202 })
  expect(await server.send('/audit')).toMatchObject({ text: '[]' })
  await server.line('deleted the files of account 7')
  expect(order(server.log, 'answered', 'deleted')).toEqual(['answered', 'answered', 'deleted'])
  const audit = JSON.parse((await server.send('/audit')).text)
  expect(audit).toMatchObject([{ entry: 'account 7 was closed' }])
})

it('examples/bun finishes its tasks when it is asked to stop', async () => {
  const database = `${example.folder}/audit.sqlite`
  {
    await using server = await example.boot(start, { DATABASE: database })
    await server.send('/accounts/8', { method: 'DELETE' })
    expect(await server.terminate()).toBe(null)
    expect(order(server.log, 'answered', 'deleted')).toEqual(['answered', 'deleted'])
  }
  await using again = await example.boot(start, { DATABASE: database })
  expect(JSON.parse((await again.send('/audit')).text)).toMatchObject([{ entry: 'account 8 was closed' }])
})
