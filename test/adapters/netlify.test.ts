/** Netlify cannot be had here: its context is shaped after https://docs.netlify.com/build/functions/api/. */
import { Hono } from 'hono'
import { handle } from 'hono/netlify'
import { afterEach, expect, test } from 'vitest'
import { backgroundTasks } from '../../adapters/hono.ts'
import { netlify } from '../../adapters/netlify.ts'
import type { BackgroundTasks, BackgroundTasksOptions } from '../../src/index.ts'
import { ok, wrapped } from '../_wrapped.ts'
import { testAdapter } from '../conformance/adapter.ts'

class Context {
  readonly ip = '127.0.0.1'
  readonly params = {}
  readonly site = { id: 'site' }
  readonly #held: Promise<unknown>[] = []

  waitUntil(promise: Promise<unknown>): void {
    this.#held.push(promise)
  }

  get held(): readonly Promise<unknown>[] {
    return this.#held
  }
}

const host = globalThis as { Netlify?: { context: Context } }
afterEach(() => {
  delete host.Netlify
})

testAdapter(netlify(), { platform: () => [new Context()], delivery: 'returned' })

function fails(): never {
  throw new Error('meant to fail')
}

function addTwo(tasks: BackgroundTasks): Response {
  tasks.add(fails)
  tasks.add(function last() {})
  return ok()
}

test.each<[string, BackgroundTasksOptions, (context: Context) => unknown[]]>([
  ['the argument of the function, by detection', {}, (context) => [context]],
  ['the argument of the function, by the adapter', { adapter: netlify() }, (context) => [context]],
  ['`env.context`, by detection', {}, (context) => [{ context }]],
  ['`env.context`, by the adapter', { adapter: netlify() }, (context) => [{ context }]],
  ['the global, by detection', {}, (context) => [void (host.Netlify = { context })]],
  ['the global, by the adapter', { adapter: netlify() }, (context) => [void (host.Netlify = { context })]],
])('an invocation is held until all tasks have ended by %s', async (_name, options, platform) => {
  const context = new Context()
  const { handler, log } = wrapped(addTwo, options)
  await handler(new Request('http://localhost/'), ...platform(context))
  expect(context.held.length).toBe(1)
  expect(log()).toEqual(['added fails', 'added last'])
  expect(await context.held[0]).toBe(undefined)
  expect(log().at(-1)).toBe('succeeded last')
})

test("Hono's own adapter is enough, as the middleware finds the context by itself", async () => {
  const context = new Context()
  const ran: string[] = []
  const app = new Hono().use(backgroundTasks()).post('/', async (c) => {
    c.var.tasks.add((email: string) => ran.push(email), await c.req.text())
    return c.text('signed up', 201)
  })
  const request = new Request('http://localhost/', { method: 'POST', body: 'ada@example.com' })
  const response = await handle(app)(request, context as never)
  expect([response.status, await response.text(), context.held.length]).toEqual([201, 'signed up', 1])
  await context.held[0]
  expect(ran).toEqual(['ada@example.com'])
})
