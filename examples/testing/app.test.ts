/**
 * The tasks of a request are held until the test lets them run.
 *
 *     npm install && npm test
 */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { recordTasks, type TaskRecorder } from 'background-tasks/testing'
import type { Hono } from 'hono'
import { createApp } from './app.ts'

let app: Hono
let recorder: TaskRecorder
let sent: string[]
let outages: number

beforeEach(() => {
  sent = []
  outages = 0
  recorder = recordTasks()
  const services = {
    async sendEmail(to: string) {
      if (outages-- > 0) throw new Error('the mail server is down')
      sent.push(to)
    },
    async writeAuditLog() {},
  }
  // Failures are in the recorder: nothing need be printed.
  app = createApp(services, { adapter: recorder, onError: () => {} })
})

const signUp = (email: string) => app.request('/signup', { method: 'POST', body: JSON.stringify({ email }) })

test('a sign-up is answered before the e-mail is sent', async () => {
  const response = await signUp('ada@example.com')
  assert.equal(response.status, 201)
  assert.deepEqual(sent, [])
  assert.deepEqual(
    recorder.pending.map(({ name, input, args }) => [name, input ?? args]),
    [
      ['welcome', 'ada@example.com'],
      ['writeAuditLog', ['ada@example.com signed up']],
    ],
  )
  await recorder.runAll({ throwErrors: true })
  assert.deepEqual(sent, ['ada@example.com'])
})

test('the e-mail is tried again while the mail server is down, without the wait of 30 seconds', async () => {
  outages = 2
  await signUp('ada@example.com')
  await recorder.runAll({ throwErrors: true })
  assert.deepEqual(sent, ['ada@example.com'])
})

test('the e-mail is given up after the third try', async () => {
  outages = 3
  await signUp('ada@example.com')
  await assert.rejects(recorder.runAll({ throwErrors: true }), /the mail server is down/)
  assert.deepEqual(sent, [])
})

test('a sign-up that fails sends nothing', async () => {
  app.onError((_error, c) => c.text('sorry', 500))
  const response = await signUp('ada')
  assert.equal(response.status, 500)
  assert.deepEqual(recorder.pending, [])
})
