/**
 * Events for somebody else's server, signed as standardwebhooks.com says it, so that any library of it can verify them.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { defineTask, NonRetryableError } from 'background-tasks'

const { WEBHOOK_URL = 'http://localhost:4000/', WEBHOOK_SECRET = '', RETRY_DELAY_MS = '1000' } = process.env
if (!WEBHOOK_SECRET.startsWith('whsec_'))
  throw new Error('Set WEBHOOK_SECRET: whsec_ and 24 random bytes or more in Base64')

export interface Event {
  readonly type: string
  readonly timestamp: string
  readonly data: unknown
}

export const callWebhook = defineTask({
  name: 'webhook',
  // After some 1, 2, 4, 8 and 16 s. Half of each delay is left to chance: those that failed together do not come back together.
  retry: { attempts: 6, delayMs: Number(RETRY_DELAY_MS), factor: 2, maxDelayMs: 60_000, jitter: 0.5 },
  timeoutMs: 10_000,
  run: async (event: Event, { id, attempt, signal }) => {
    const body = JSON.stringify(event)
    const now = Math.floor(Date.now() / 1000)
    const response = await fetch(WEBHOOK_URL, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        // The same in every attempt: who has seen it has nothing to do.
        'webhook-id': id,
        'webhook-timestamp': String(now),
        'webhook-signature': sign(id, now, body),
      },
      body,
      redirect: 'manual',
      signal,
    })
    // Nobody reads it; the connection is free again.
    await response.body?.cancel()
    if (response.ok) {
      console.log(`told the webhook of ${event.type} at attempt ${attempt}`)
      return
    }
    const problem = `The webhook said ${response.status}`
    // Says that it will not take this one: to come again does not help.
    const isRefusal = response.status >= 300 && response.status < 500 && ![408, 425, 429].includes(response.status)
    throw isRefusal ? new NonRetryableError(problem) : new Error(problem)
  },
})

export function sign(id: string, timestamp: number, body: string): string {
  const key = Buffer.from(WEBHOOK_SECRET.replace('whsec_', ''), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

/** For the receiver. More than five minutes old is somebody who sends an old one again. */
export function verify(headers: Headers, body: string): boolean {
  const timestamp = Number(headers.get('webhook-timestamp'))
  if (!(Math.abs(Date.now() / 1000 - timestamp) < 300)) return false
  const expected = Buffer.from(sign(headers.get('webhook-id') ?? '', timestamp, body))
  // Several where the secret is being changed.
  const signatures = (headers.get('webhook-signature') ?? '').split(' ').map((signature) => Buffer.from(signature))
  return signatures.some((signature) => signature.length === expected.length && timingSafeEqual(signature, expected))
}
