import { expect, it } from 'vitest'
import { until } from '../_server.ts'
import { order } from './_example.ts'
import { testFrameworkExample } from './_framework.ts'
import { webhook } from './_webhook.ts'

const example = testFrameworkExample('fastify', 'closed the database')

const SIGN_UP = `
  import { app } from './server.ts'

  const answer = await app.inject({ method: 'POST', url: '/signup', payload: { email: 'ada@example.com' } })
  console.log('answered', answer.statusCode)
  await app.close()
  console.log('closed the app')
`

it('examples/fastify runs the tasks of an injected request; app.close() waits for them, and closes what they need last', async () => {
  await using hook = await webhook()
  await example().write('sign-up.ts', SIGN_UP)
  await using running = example().start('node sign-up.ts', { PORT: '0', WEBHOOK_URL: hook.url })
  await running.line('answered 201')
  await until(() => hook.calls.length === 1, 'the webhook to be called')
  hook.answer()
  await running.line('closed the app')
  const steps = ['answered 201', 'told the webhook', 'audit:', 'closed the database', 'closed the app']
  expect(order(running.log, ...steps)).toEqual(steps)
})
