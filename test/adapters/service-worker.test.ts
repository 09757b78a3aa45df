import { build } from 'esbuild'
import { Hono } from 'hono'
import { handle } from 'hono/service-worker'
import { Miniflare } from 'miniflare'
import { describe, expect, test } from 'vitest'
import { backgroundTasks } from '../../adapters/hono.ts'
import { fetchListener, serviceWorker } from '../../adapters/service-worker.ts'
import { listening, until } from '../_server.ts'
import { ok, wrapped } from '../_wrapped.ts'
import { testAdapter } from '../conformance/adapter.ts'
import { titledBlock } from '../recipes/_recipe.ts'

/** As strict as a browser: `waitUntil` throws once nothing holds the event any more. */
class FetchEvent extends Event {
  readonly request = new Request('http://localhost/', { method: 'POST', body: 'ada@example.com' })
  response: Response | Promise<Response> | undefined
  readonly held: Promise<unknown>[] = []
  #pending = 1

  constructor() {
    super('fetch')
    queueMicrotask(() => this.#pending--)
  }

  respondWith(response: Response | Promise<Response>): void {
    this.response = response
    this.waitUntil(Promise.resolve(response))
  }

  waitUntil(promise: Promise<unknown>): void {
    if (this.#pending === 0) throw new DOMException('The event is over', 'InvalidStateError')
    this.#pending++
    this.held.push(promise)
    const end = (): void => queueMicrotask(() => this.#pending--)
    promise.then(end, end)
  }
}

testAdapter(serviceWorker(), { platform: () => [new FetchEvent()], delivery: 'returned' })

describe('a fetch event', () => {
  test.each([
    ['detection', {}],
    ['the adapter', { adapter: serviceWorker() }],
  ])('is answered by the handler, and held until all tasks have ended, by %s', async (_name, options) => {
    const { handler, log } = wrapped(async (tasks) => {
      await Promise.resolve()
      tasks.add(function first() {})
      tasks.add(function last() {})
      return ok()
    }, options)
    const event = new FetchEvent()
    fetchListener(handler)(event)
    expect(await (await event.response)?.text()).toBe('ok')
    expect(event.held.length).toBe(2)
    await Promise.all(event.held)
    expect(log().at(-1)).toBe('succeeded last')
  })

  test('a late add throws where the event is over, and nothing is queued', async () => {
    let late!: () => void
    const { handler } = wrapped((tasks) => {
      tasks.add(() => {})
      late = () => tasks.add(() => {})
      return ok()
    })
    const event = new FetchEvent()
    fetchListener(handler)(event)
    await Promise.all(event.held)
    await handler.drain()
    await new Promise((resolve) => setImmediate(resolve))
    expect(late).toThrow('The event is over')
    expect(await handler.drain({ timeoutMs: 0 })).toMatchObject({ abandoned: [] })
  })

  test('is left to the network where the handler gives nothing', () => {
    const event = new FetchEvent()
    fetchListener(() => undefined)(event)
    expect(event.held).toEqual([])
  })

  test("is handled by Hono's own adapter just as well", async () => {
    const ran: string[] = []
    const app = new Hono().use(backgroundTasks()).post('/', async (c) => {
      c.var.tasks.add((email: string) => ran.push(email), await c.req.text())
      return c.text('signed up', 201)
    })
    const event = new FetchEvent()
    handle(app)(event as never)
    expect((await event.response)?.status).toBe(201)
    await Promise.all(event.held)
    expect(ran).toEqual(['ada@example.com'])
  })

  test('needs a function, and says what came', () => {
    expect(() => fetchListener({ fetch() {} } as never)).toThrow(
      "Cannot listen to fetch events as 'handler' must be a function (request, event) => response: current value is [object Object]",
    )
  })
})

test('in workerd, by a real FetchEvent: the client has its response before a task that burns CPU', async () => {
  const log: string[] = []
  // In this format nothing else comes out: its console is not forwarded.
  await using listener = await listening((req, res) => {
    log.push(`${req.url}`)
    res.end()
  })
  await using worker = await serviceWorkerOf(
    listener.url,
    `
        import { withBackgroundTasks } from './src/index.ts'
        import { fetchListener, serviceWorker } from './adapters/service-worker.ts'
        function burn(url) {
          let seed = 1
          for (let i = 0; i < 25_000_000; i++) seed = (seed * 48_271) % 2_147_483_647
          return fetch(url + (seed > 0 ? '/burnt' : ''))
        }
        const handler = withBackgroundTasks((request, tasks) => {
          tasks.add(burn, LISTENER)
          return new Response('at once')
        }, { adapter: serviceWorker() })
      addEventListener('fetch', fetchListener(handler))
    `,
  )
  expect(await (await fetch(worker.url)).text()).toBe('at once')
  log.push('answered')
  await until(() => log.includes('/burnt'), 'the task')
  expect(log).toEqual(['answered', '/burnt'])
})

test("the README's listener is one: it signs up, and its task runs", async () => {
  const { promise: welcomed, resolve } = Promise.withResolvers<string | undefined>()
  await using listener = await listening((req, res) => {
    resolve(req.url)
    res.end()
  })
  const { code } = titledBlock('## `background-tasks/service-worker`')
  const heard = code.replace("console.log, 'welcome',", "(email) => fetch(LISTENER + '/' + email),")
  expect(heard).not.toBe(code)
  await using worker = await serviceWorkerOf(listener.url, heard)
  const response = await fetch(worker.url, { method: 'POST', body: 'ada@example.com' })
  expect([response.status, await response.text()]).toEqual([201, 'signed up'])
  expect(await welcomed).toBe('/ada@example.com')
})

/** Runs a script in the format of service workers, in workerd. */
async function serviceWorkerOf(listener: string, contents: string): Promise<AsyncDisposable & { url: URL }> {
  const resolveDir = new URL('../..', import.meta.url).pathname
  const bundle = await build({
    stdin: { resolveDir, loader: 'ts', contents },
    bundle: true,
    format: 'iife',
    target: 'es2022',
    write: false,
  })
  const script = bundle.outputFiles[0]?.text ?? ''
  const bindings = { LISTENER: listener }
  const miniflare = new Miniflare({ script, bindings, compatibilityDate: '2026-07-01', cf: false })
  return { url: await miniflare.ready, [Symbol.asyncDispose]: () => miniflare.dispose() }
}
