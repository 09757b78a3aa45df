import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../_server.ts'
import { Example, expectTestedVersions, order } from './_example.ts'
import { webhook } from './_webhook.ts'

let example: Example

beforeAll(async () => {
  example = await Example.copy('hono-workers')
  await expectTestedVersions(await example.install())
})
afterAll(() => example[Symbol.asyncDispose]())

it('examples/hono-workers type-checks where it was copied to', () =>
  example.typeCheck('@cloudflare/workers-types', 'worker.ts'))

it('examples/hono-workers answers who saves an article before the site does, then purges its cache', async () => {
  await using site = await webhook()
  await using worker = await example.bootWorker({ REVALIDATE_URL: site.url })
  const article = '/articles/hello'

  expect(await worker.send(article, { method: 'PUT', body: 'old' })).toMatchObject({ status: 204 })
  await until(() => site.calls.length === 1, 'the site to be called')
  expect(site.calls).toEqual(['hello'])
  expect(order(worker.log, 'answered', 'purged')).toEqual(['answered'])
  site.answer()
  await worker.line('purged')

  expect(await worker.send(article)).toMatchObject({ status: 200, text: 'old' })
  await worker.line('cached')
  expect((await worker.send(article)).headers.get('cf-cache-status')).toBe('HIT')

  await worker.send(article, { method: 'PUT', body: 'new' })
  await until(() => order(worker.log, 'purged').length === 2, 'the cache to be purged again')
  expect(await worker.send(article)).toMatchObject({ status: 200, text: 'new' })
})

it('examples/hono-workers answers 404 for an article that is not there', async () => {
  await using worker = await example.bootWorker()
  expect(await worker.send('/articles/none')).toMatchObject({ status: 404 })
})
