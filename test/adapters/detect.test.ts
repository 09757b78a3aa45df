import { EventEmitter } from 'node:events'
import { Context } from 'hono'
import { afterEach, describe, expect, test } from 'vitest'
import { detect } from '../../adapters/detect.ts'
import { type Call, createBackgroundTasks } from '../../src/index.ts'
import { ok, wrapped } from '../_wrapped.ts'
import { testAdapter } from '../conformance/adapter.ts'

function call(platform: unknown[], extra: object = {}): Call {
  const { tasks } = createBackgroundTasks().open()
  return { request: Object.assign(new Request('http://localhost/'), extra), platform, tasks, start: 'auto' }
}

const outgoing = Object.assign(new EventEmitter(), { writableFinished: false, closed: false, socket: {} })
const info = { remoteAddr: {}, completed: Promise.resolve() }
const extender = { waitUntil() {} }
/** As a service binding of Workers is: every property is there, and a remote function. */
const remote: object = new Proxy({}, { has: () => true, get: () => () => {} })

testAdapter(detect(call([])), { delivery: 'returned' })

describe('a call', () => {
  test.each<[string, Call, string, boolean]>([
    ['without anything', call([]), 'detached', false],
    ['of @hono/node-server', call([{ incoming: {}, outgoing }]), 'node', false],
    ['with a `res` among the arguments', call([{}, outgoing]), 'node', false],
    ['with a `res` in an argument', call([{ req: {}, res: outgoing }]), 'node', false],
    ['of srvx on Node', call([], { runtime: { node: { res: outgoing } }, waitUntil() {} }), 'node', true],
    ['of Deno.serve', call([info]), 'deno', false],
    ['of srvx on Deno', call([], { runtime: { deno: { info } } }), 'deno', false],
    ['of Workers', call([{ KV: {} }, extender]), 'detached', true],
    ['of srvx on Workers', call([], { runtime: { cloudflare: {} }, waitUntil() {} }), 'detached', true],
    ['of a service worker', call([extender]), 'detached', true],
    ['of Netlify, with its context', call([{ ip: '', ...extender }]), 'detached', true],
    ['of Bun.serve', call([{ port: 1, stop() {} }]), 'detached', false],
    ['of Workers whose env has a binding named res', call([{ res: 'text', outgoing: 1 }, extender]), 'detached', true],
    ['of Workers whose env has a service binding named res', call([{ res: remote }, extender]), 'detached', true],
    ['of Workers whose env has one named outgoing', call([{ outgoing: remote }, extender]), 'detached', true],
    ['with an undefined env, as app.request() makes', call([undefined]), 'detached', false],
    ['with arguments that are no objects', call([null, 'env', 1, () => {}]), 'detached', false],
    // Its getter `executionCtx` throws where there is none.
    ["with Hono's context", call([new Context(new Request('http://localhost/'))]), 'detached', false],
  ])('%s', (_name, of, name, held) => {
    const adapter = detect(of)
    expect([adapter.name, adapter.keepAlive !== undefined]).toEqual([name, held])
  })

  test('whose env throws from a getter is still held by its context', () => {
    const hostile = {
      get outgoing() {
        throw new Error('host')
      },
    }
    expect(detect(call([hostile, extender])).keepAlive).not.toBe(undefined)
  })

  test('whose host objects throw from their getters is detached', () => {
    const hostile = {
      get outgoing() {
        throw new Error('host')
      },
    }
    expect(detect(call([hostile])).name).toBe('detached')
  })
})

describe('the host that keeps a context of its own', () => {
  const host = globalThis as { [key: PropertyKey]: unknown }
  const keys = [Symbol.for('@vercel/request-context'), Symbol.for('@next/request-context'), 'Netlify', 'EdgeRuntime']

  afterEach(() => {
    for (const key of keys) delete host[key]
  })

  test.each<[string, PropertyKey, (waitUntil: (work: unknown) => void) => unknown]>([
    ['Vercel', keys[0] as symbol, (waitUntil) => ({ get: () => ({ waitUntil }) })],
    ['Next', keys[1] as symbol, (waitUntil) => ({ get: () => ({ waitUntil }) })],
    ['Netlify', 'Netlify', (waitUntil) => ({ context: { waitUntil } })],
    ['Supabase', 'EdgeRuntime', (waitUntil) => ({ waitUntil })],
  ])('%s is held through it', async (_name, key, make) => {
    const held: unknown[] = []
    host[key] = make((work) => held.push(work))
    const { call: run, handler } = wrapped((tasks) => {
      tasks.add(() => {})
      return ok()
    })
    await run()
    expect(held.length).toBe(1)
    await handler.drain()
  })

  test("is none where the name means something else, as Vercel's own EdgeRuntime string", () => {
    host['EdgeRuntime'] = 'edge-runtime'
    expect(detect(call([])).keepAlive).toBe(undefined)
  })
})

test('waitUntil is looked up and called on its object at call time', async () => {
  class Extender {
    readonly #held: unknown[] = []

    waitUntil(work: unknown): void {
      this.#held.push(work)
    }

    get held(): number {
      return this.#held.length
    }
  }
  const ctx = new Extender()
  const { handler } = wrapped((tasks) => {
    tasks.add(() => {})
    return ok()
  })
  await handler(new Request('http://localhost/'), {}, ctx)
  expect(ctx.held).toBe(1)
  await handler.drain()
})

test('AWS Lambda, which freezes and offers nothing, is warned about once', async () => {
  const { warn } = console
  const lines: string[] = []
  console.warn = (line: string) => void lines.push(line)
  process.env['AWS_LAMBDA_FUNCTION_NAME'] = 'fn'
  try {
    const { vi } = await import('vitest')
    vi.resetModules()
    const fresh = await import('../../adapters/detect.ts')
    fresh.detect(call([]))
    fresh.detect(call([]))
    expect(lines).toEqual(['background-tasks: AWS Lambda freezes after the response: tasks may not run'])
  } finally {
    console.warn = warn
    delete process.env['AWS_LAMBDA_FUNCTION_NAME']
  }
})
