/** Vercel cannot be had here. Its request context is the one that the real @vercel/functions reads. */
import { waitUntil } from '@vercel/functions'
import express from 'express'
import { Hono } from 'hono'
import { handle } from 'hono/vercel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { backgroundTasks } from '../../adapters/hono.ts'
import { tasksFor } from '../../adapters/node.ts'
import { vercel } from '../../adapters/vercel.ts'
import { listening, until } from '../_server.ts'
import { ok, wrapped } from '../_wrapped.ts'
import { testAdapter } from '../conformance/adapter.ts'

const KEY = Symbol.for('@vercel/request-context')
const host = globalThis as { [KEY]?: { get(): object } }
let held: Promise<unknown>[] = []

testAdapter(vercel(), { delivery: 'returned', matches: false })

describe('on Vercel', () => {
  beforeEach(() => {
    held = []
    // Bound to nothing, as a destructured one must work for @vercel/functions.
    host[KEY] = { get: () => ({ url: '/', headers: {}, waitUntil: (promise: Promise<unknown>) => held.push(promise) }) }
  })
  afterEach(() => {
    delete host[KEY]
  })

  test("the context stands where Vercel's own package looks for it", () => {
    waitUntil(Promise.resolve())
    expect(held.length).toBe(1)
  })

  test('the adapter tells its host', () => {
    expect(vercel().matches?.({ request: undefined, platform: [], tasks: undefined as never, start: 'auto' })).toBe(
      true,
    )
  })

  test.each([
    ['detection', {}],
    ['the adapter', { adapter: vercel() }],
  ])(
    'an invocation is held by one promise that never rejects until all tasks have ended, by %s',
    async (_name, options) => {
      const { call, log } = wrapped((tasks) => {
        tasks.add(function fails() {
          throw new Error('meant to fail')
        })
        tasks.add(function last() {})
        return ok()
      }, options)
      await call()
      expect(held.length).toBe(1)
      expect(log()).toEqual(['added fails', 'added last'])
      expect(await held[0]).toBe(undefined)
      expect(log().at(-1)).toBe('succeeded last')
    },
  )

  test('without a task the context is left alone', async () => {
    await wrapped(ok, { adapter: vercel() }).call()
    expect(held).toEqual([])
  })

  test("Hono's own adapter is enough, as the middleware finds the context by itself", async () => {
    const ran: string[] = []
    const app = new Hono().use(backgroundTasks()).post('/', async (c) => {
      c.var.tasks.add((email: string) => ran.push(email), await c.req.text())
      return c.text('signed up', 201)
    })
    const response = await handle(app)(new Request('http://localhost/', { method: 'POST', body: 'ada@example.com' }))
    expect([response.status, await response.text(), held.length]).toEqual([201, 'signed up', 1])
    await held[0]
    expect(ran).toEqual(['ada@example.com'])
  })

  test('Express, which Vercel serves by Node, is held too', async () => {
    let ran = false
    const app = express().get('/', (_req, res) => {
      tasksFor(res).add(() => {
        ran = true
      })
      res.send('ok')
    })
    await using server = await listening(app)
    await (await fetch(server.url)).text()
    await until(() => held.length === 1, 'waitUntil to be called')
    await held[0]
    expect(ran).toBe(true)
  })
})
