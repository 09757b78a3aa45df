import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../_server.ts'
import { Example, expectTestedVersions, order } from './_example.ts'
import { webhook } from './_webhook.ts'

let example: Example

beforeAll(async () => {
  example = await Example.copy('workers')
  await expectTestedVersions(await example.install())
})
afterAll(() => example[Symbol.asyncDispose]())

it('examples/workers type-checks where it was copied to', () =>
  example.typeCheck('@cloudflare/workers-types', 'worker.ts'))

it('examples/workers redirects before the webhook has answered, then counts the click', async () => {
  await using hook = await webhook()
  await using worker = await example.bootWorker({ WEBHOOK_URL: hook.url })
  const links = await worker.miniflare.getKVNamespace('LINKS')
  const clicks = await worker.miniflare.getKVNamespace('CLICKS')
  await links.put('hono', 'https://hono.dev/')

  const answer = await worker.send('/hono')
  expect([answer.status, answer.headers.get('location')]).toEqual([302, 'https://hono.dev/'])
  await until(() => hook.calls.length === 1, 'the webhook to be called')
  expect(hook.calls).toEqual(['hono'])
  expect(await clicks.get('hono')).toBe(null)

  hook.answer()
  await worker.line('click 1 on hono')
  expect(await clicks.get('hono')).toBe('1')
  expect(order(worker.log, 'answered', 'click')).toEqual(['answered', 'click'])
})

it('examples/workers answers 404 and counts nothing for a link that is not there', async () => {
  await using worker = await example.bootWorker()
  expect(await worker.send('/none')).toMatchObject({ status: 404 })
})
