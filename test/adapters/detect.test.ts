import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { HttpRequest, InvocationContext } from '@azure/functions'
import { Context } from 'hono'
import { NodeRequest } from 'srvx/node'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { detect } from '../../adapters/detect.ts'
import { type Call, createBackgroundTasks } from '../../src/index.ts'
import { ok, wrapped } from '../_wrapped.ts'
import { testAdapter } from '../conformance/adapter.ts'

function callOf(request: Request, platform: unknown[] = []): Call {
  const { tasks } = createBackgroundTasks().open()
  return { request, platform, tasks, start: 'auto' }
}

function call(platform: unknown[], extra: object = {}): Call {
  return callOf(Object.assign(new Request('http://localhost/'), extra), platform)
}

const azureRequest = (): Request => new HttpRequest({ method: 'GET', url: 'http://localhost/' }) as unknown as Request
const asSrvxHas = (value: object): any => value
const info = { remoteAddr: {}, completed: Promise.resolve() }
const extender = { waitUntil() {} }
/** As a service binding of Workers is: every property is there, and a remote function. */
const remote: object = new Proxy({}, { has: () => true, get: () => () => {} })

testAdapter(detect(call([])), { delivery: 'returned' })

/** What a host is known by, beside the call. */
interface Around {
  readonly globals?: Readonly<Record<PropertyKey, unknown>>
  readonly env?: Readonly<Record<string, string>>
}

const VERCEL = Symbol.for('@vercel/request-context')
const NEXT = Symbol.for('@next/request-context')
const onLambda = { env: { AWS_LAMBDA_FUNCTION_NAME: 'fn' } }
const lambdaContext = { awsRequestId: 'id', getRemainingTimeInMillis: () => 3000 }
const event = { version: '2.0', rawPath: '/', requestContext: { http: { method: 'GET' } } }

const req = new IncomingMessage(new Socket())
const res = new ServerResponse(req)
const fetchEvent = Object.assign(new Event('fetch'), { request: new Request('http://localhost/'), ...extender })

/** Every host that can be told, by its own objects where they can be had, else as its documentation has them. */
const hosts: [string, () => Call, adapter: string, isHeld: boolean, Around?][] = [
  ['nothing at all', () => call([]), 'detached', false],
  ['@hono/node-server', () => call([{ incoming: req, outgoing: res }]), 'node', false],
  ['Node, with `res` among the arguments', () => call([req, res]), 'node', false],
  ['Node, with `res` in an argument (Yoga, @whatwg-node/server)', () => call([{ req, res }]), 'node', false],
  ['@whatwg-node/server, which has a waitUntil', () => call([{ req, res, ...extender }]), 'node', true],
  [
    'srvx on Node',
    () => callOf(Object.assign(new NodeRequest({ req: asSrvxHas(req), res: asSrvxHas(res) }), extender)),
    'node',
    true,
  ],
  ['h3, whose event has the request of srvx', () => call([], { runtime: { node: { res } } }), 'node', false],
  ['Google Cloud Run, which is Node', () => call([{ outgoing: res }]), 'node', false, { env: { K_SERVICE: 'app' } }],
  ['Deno.serve', () => call([info]), 'deno', false],
  ['Deno Deploy', () => call([info]), 'deno', false, { env: { DENO_DEPLOYMENT_ID: 'id' } }],
  ['srvx on Deno', () => call([], { runtime: { deno: { info } } }), 'deno', false],
  ['Supabase', () => call([]), 'detached', true, { globals: { EdgeRuntime: extender } }],
  ['Supabase, by Deno.serve', () => call([info]), 'deno', true, { globals: { EdgeRuntime: extender } }],
  ['Bun.serve', () => call([{ port: 1, stop() {} }]), 'detached', false],
  ['Workers', () => call([{ KV: {} }, extender]), 'detached', true],
  ['srvx on Workers', () => call([], { runtime: { cloudflare: {} }, ...extender }), 'detached', true],
  ['SvelteKit on Workers', () => call([{ env: {}, ctx: extender, caches: {} }]), 'detached', true],
  ['a service worker', () => call([fetchEvent]), 'detached', true],
  ['Fastly Compute', () => call([Object.assign(fetchEvent, { client: { address: '127.0.0.1' } })]), 'detached', true],
  ['hono/service-worker', () => call([{}, fetchEvent]), 'detached', true],
  ['Vercel', () => call([]), 'detached', true, { globals: { [VERCEL]: { get: () => extender } } }],
  [
    'Vercel, which runs on Lambda',
    () => call([]),
    'detached',
    true,
    { ...onLambda, globals: { [VERCEL]: { get: () => extender } } },
  ],
  ['Express on Vercel', () => call([req, res]), 'node', true, { globals: { [VERCEL]: { get: () => extender } } }],
  ['Next', () => call([]), 'detached', true, { globals: { [NEXT]: { get: () => extender } } }],
  ['Netlify', () => call([{ ip: '', params: {}, ...extender }]), 'detached', true],
  ['hono/netlify', () => call([{ context: { ip: '', ...extender } }]), 'detached', true],
  ['Netlify, by its global', () => call([]), 'detached', true, { globals: { Netlify: { context: extender } } }],
  ['Lambda', () => call([event, lambdaContext]), 'lambda', true, onLambda],
  ['hono/aws-lambda', () => call([{ event, requestContext: {}, lambdaContext }]), 'lambda', true, onLambda],
  ['hono/aws-lambda, streaming', () => call([{ event, context: lambdaContext }]), 'lambda', true, onLambda],
  [
    'srvx on Lambda',
    () => call([], { runtime: { awsLambda: { event, context: lambdaContext } } }),
    'lambda',
    true,
    onLambda,
  ],
  ['Azure Functions', () => callOf(azureRequest(), [new InvocationContext()]), 'detached', false],
  // What is named like something of a host, and is not that.
  ['Workers with a binding named res', () => call([{ res: 'text', outgoing: 1 }, extender]), 'detached', true],
  ['Workers with a service binding named res', () => call([{ res: remote }, extender]), 'detached', true],
  ['Workers with one named outgoing', () => call([{ outgoing: remote }, extender]), 'detached', true],
  [
    'Workers with one named context, without its ctx',
    () => call([{ context: remote, ctx: remote }]),
    'detached',
    false,
  ],
  ['an undefined env, as app.request() makes', () => call([undefined]), 'detached', false],
  ['arguments that are no objects', () => call([null, 'env', 1, () => {}]), 'detached', false],
  // Its getter `executionCtx` throws where there is none.
  ["Hono's context", () => call([new Context(new Request('http://localhost/'))]), 'detached', false],
  [
    "Vercel's own EdgeRuntime, which is a string",
    () => call([]),
    'detached',
    false,
    { globals: { EdgeRuntime: 'edge-runtime' } },
  ],
]

describe('the host of a call', () => {
  const host = globalThis as Record<PropertyKey, unknown>

  afterEach(() => {
    for (const [, , , , around] of hosts) {
      for (const key of Reflect.ownKeys(around?.globals ?? {})) delete host[key]
      for (const key of Object.keys(around?.env ?? {})) delete process.env[key]
    }
  })

  test.each(hosts)('%s', async (_name, of, name, isHeld, { globals = {}, env = {} } = {}) => {
    Object.assign(host, globals)
    Object.assign(process.env, env)
    // It asks the environment once.
    vi.resetModules()
    const { detect } = await import('../../adapters/detect.ts')
    const adapter = detect(of())
    expect([adapter.name, adapter.keepAlive !== undefined]).toEqual([name, isHeld])
  })

  test('asks all the others when one argument throws for names it does not have', () => {
    const strict = new Proxy(
      {},
      {
        get(_env, name) {
          throw new ReferenceError(`no ${String(name)}`)
        },
      },
    )
    expect(detect(call([strict, { outgoing: res }])).name).toBe('node')
    expect(detect(call([strict, { ctx: extender }])).keepAlive).toBeDefined()
    Object.assign(host, { [VERCEL]: { get: () => extender } })
    expect(detect(call([strict])).keepAlive).toBeDefined()
  })

  test('with all of them absent has nothing to hold it, and its tasks run all the same', async () => {
    const known = [VERCEL, NEXT, 'Netlify', 'EdgeRuntime', 'awslambda', 'Deno', 'Bun']
    expect(known.filter((key) => key in host)).toEqual([])
    const {
      call: run,
      handler,
      log,
    } = wrapped((tasks) => {
      tasks.add(function task() {})
      return ok()
    })
    await run()
    await handler.drain()
    expect(log()).toEqual(['added task', 'started task', 'succeeded task'])
  })

  test('whose env throws for a name that it does not have is still held by its context', () => {
    const env = new Proxy(
      { outgoing: undefined, res: undefined },
      {
        get(target, name) {
          if (!(name in target)) throw new Error(`${String(name)} is not set`)
          return undefined
        },
      },
    )
    expect(detect(call([env, extender])).keepAlive).toBeTypeOf('function')
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

test.each<[string, (waitUntil: (work: unknown) => void) => Record<PropertyKey, unknown>]>([
  ['Vercel', (waitUntil) => ({ [VERCEL]: { get: () => ({ waitUntil }) } })],
  ['Next', (waitUntil) => ({ [NEXT]: { get: () => ({ waitUntil }) } })],
  ['Netlify', (waitUntil) => ({ Netlify: { context: { waitUntil } } })],
  ['Supabase', (waitUntil) => ({ EdgeRuntime: { waitUntil } })],
])('%s is held through the context that it keeps by itself', async (_name, make) => {
  const held: unknown[] = []
  const globals = make((work) => held.push(work))
  Object.assign(globalThis, globals)
  try {
    const { call: run, handler } = wrapped((tasks) => {
      tasks.add(() => {})
      return ok()
    })
    await run()
    expect(held.length).toBe(1)
    await handler.drain()
  } finally {
    for (const key of Reflect.ownKeys(globals)) Reflect.deleteProperty(globalThis, key)
  }
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
    vi.resetModules()
    const fresh = await import('../../adapters/detect.ts')
    fresh.detect(call([]))
    // As by the Lambda Web Adapter: a server of Node that freezes all the same.
    fresh.detect(call([{ outgoing: res }]))
    expect(lines).toEqual(['background-tasks: AWS Lambda freezes after the response: tasks may not run'])
  } finally {
    console.warn = warn
    delete process.env['AWS_LAMBDA_FUNCTION_NAME']
  }
})
