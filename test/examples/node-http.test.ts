import { readdirSync } from 'node:fs'
import { request } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../_server.ts'
import { Example, expectTestedVersions, order } from './_example.ts'
import { webhook } from './_webhook.ts'

let example: Example
let start: string

beforeAll(async () => {
  example = await Example.copy('node-http')
  const manifest = await example.install()
  start = manifest.scripts.start
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

it('examples/node-http type-checks where it was copied to', () => example.typeCheck('node', 'server.ts'))

it('examples/node-http answers an order before the webhook does, and is not stopped by a call that still waits', async () => {
  await using hook = await webhook()
  await using server = await example.boot(start, { WEBHOOK_URL: hook.url })
  const answer = await server.send('/orders', { method: 'POST' })
  expect(answer.status).toBe(201)
  await until(() => hook.calls.length === 1, 'the webhook to be called')
  expect(hook.calls).toEqual([answer.text])
  const stopped = server.terminate()
  hook.answer()
  expect(await stopped).toBe(null)
  expect(order(server.log, 'answered', 'told the webhook')).toEqual(['answered', 'told the webhook'])
})

it('examples/node-http deletes a report when it was downloaded', async () => {
  await using server = await example.boot(start, { TMPDIR: example.folder })
  const answer = await server.send('/report.csv')
  expect(answer.text).toHaveLength(4_000_000)
  await until(() => reports().length === 0, 'the report to be deleted')
})

it('examples/node-http keeps a report while it is downloaded, and deletes it when the client leaves', async () => {
  await using server = await example.boot(start, { TMPDIR: example.folder })
  const download = request(`${server.url}/report.csv`)
  download.on('response', (response) => response.pause())
  download.end()
  await until(() => reports().length === 1, 'the report to be there')
  expect(reports()).toHaveLength(1)
  download.on('error', () => {}).destroy()
  await until(() => reports().length === 0, 'the report to be deleted')
})

function reports(): string[] {
  return readdirSync(example.folder).filter((name) => name.startsWith('report-'))
}
