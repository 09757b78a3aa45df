import { afterAll, beforeAll, expect, it } from 'vitest'
import { listening, until } from '../_server.ts'
import { Example, expectTestedVersions, order } from './_example.ts'
import { webhook } from './_webhook.ts'

let example: Example

beforeAll(async () => {
  example = await Example.copy('workers-queue')
  await expectTestedVersions(await example.install())
})
afterAll(() => example[Symbol.asyncDispose]())

const ORDER = { method: 'POST', body: JSON.stringify({ email: 'ada@example.com', total: 42 }) }

it('examples/workers-queue type-checks where it was copied to', () =>
  example.typeCheck('@cloudflare/workers-types', 'worker.ts'))

it('examples/workers-queue answers before the mail service does, and tells when the receipt was sent', async () => {
  await using mail = await webhook()
  await using worker = await example.bootWorker({ MAIL_URL: mail.url })
  const { status, text } = await worker.send('/orders', ORDER)
  expect(status).toBe(202)
  const { taskId } = JSON.parse(text)
  await until(() => mail.calls.length === 1, 'the mail service to be called')
  expect(mail.calls).toEqual([ORDER.body])
  expect(JSON.parse((await worker.send(`/receipts/${taskId}`)).text)).toEqual({ state: 'not sent' })
  mail.answer()
  await worker.line('sent the receipt for 42 to ada@example.com')
  expect(order(worker.log, 'answered', 'sent the receipt')[0]).toBe('answered')
  expect(JSON.parse((await worker.send(`/receipts/${taskId}`)).text)).toEqual({ state: 'sent' })
})

it('examples/workers-queue tries again when the mail service is down, with the same key', async () => {
  const keys: unknown[] = []
  await using mail = await listening((request, response) => {
    keys.push(request.headers['idempotency-key'])
    response.writeHead(keys.length === 1 ? 503 : 200).end()
  })
  await using worker = await example.bootWorker({ MAIL_URL: mail.url })
  const { taskId } = JSON.parse((await worker.send('/orders', ORDER)).text)
  await worker.line('sent the receipt')
  expect(keys).toEqual([taskId, taskId])
})

it('examples/workers-queue writes its report at the time that its configuration says', async () => {
  await using worker = await example.bootWorker()
  const { triggers } = await example.json<{ triggers: { crons: string[] } }>('wrangler.jsonc')
  expect(triggers.crons).toHaveLength(1)
  const { outcome } = await (await worker.miniflare.getWorker()).scheduled({ cron: triggers.crons[0] })
  expect(outcome).toBe('ok')
  await worker.line('report: 0 receipts')
})

it('examples/workers-queue answers 404 for a page that is not there', async () => {
  await using worker = await example.bootWorker()
  expect(await worker.send('/none')).toMatchObject({ status: 404 })
})
