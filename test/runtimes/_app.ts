/**
 * One app for all runtimes, driven over HTTP by the suite beside it.
 *
 * `/<wrapper>/<route>?id=<id>&tasks=<kind>,<kind>`: the wrapper says which options, the route which response, and `tasks`
 * what is added. `/log?id=<id>` gives what an observer saw of that request's tasks.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { Hono } from 'hono'
import { stream, streamSSE } from 'hono/streaming'
import { backgroundTasks } from '../../adapters/hono.ts'
import {
  type Adapter,
  type BackgroundTasks,
  type BackgroundTasksOptions,
  defineTask,
  type TaskContext,
  type TaskDefinition,
  withBackgroundTasks,
} from '../../src/index.ts'

/** One event of a task; `note` is what a task wrote down itself. */
export interface Line {
  readonly type: string
  readonly name: string
  readonly delivery?: string | undefined
  readonly note?: string | undefined
}

/** Work and not time, as the clock of Workers stands still while code runs: some 500 ms. */
const BURN_ROUNDS = 25_000_000

const log = new Map<string, Line[]>()
const storage = new AsyncLocalStorage<string>()
const encoder = new TextEncoder()
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function write(name: string, line: Omit<Line, 'name'>): void {
  const [id = '', kind = ''] = name.split(':')
  log.set(id, [...(log.get(id) ?? []), { ...line, name: kind }])
}

function burn(rounds = BURN_ROUNDS): number {
  let seed = 1
  for (let i = 0; i < rounds; i++) seed = (seed * 48_271) % 2_147_483_647
  return seed
}

type Kinds = { readonly [kind: string]: (note: (text: string) => void, add: (kind: string) => void) => unknown }

/** What a task may do. */
const kinds: Kinds = {
  burn: () => burn() > 0 || undefined,
  quick: () => {},
  slow: () => sleep(30),
  fail: () => Promise.reject(new Error('meant to fail')),
  nest: (_note, add) => add('quick'),
  context: async (note) => {
    await sleep(1)
    note(String(storage.getStore()))
  },
  // About 50 ms of CPU.
  hog: () => burn(BURN_ROUNDS / 10) > 0 || undefined,
  // About 1 ms of CPU.
  busy: () => burn(BURN_ROUNDS / 500) > 0 || undefined,
}

/** Tasks with a policy of their own. */
const policies: Record<string, Omit<TaskDefinition, 'name'> & { readonly run: PolicedRun }> = {
  retried: {
    retry: { attempts: 3, delayMs: 5 },
    run: (note, { attempt }) => {
      note(`attempt ${attempt}`)
      if (attempt < 3) throw new Error('meant to fail')
    },
  },
  limited: {
    timeoutMs: 30,
    run: (note, { signal }) =>
      new Promise(() => signal.addEventListener('abort', () => note((signal.reason as Error).name))),
  },
  'limited-badly': {
    timeoutMs: 30,
    run: (_note, { signal }) =>
      new Promise(() => {
        signal.addEventListener('abort', () => {
          throw new Error('meant to throw')
        })
      }),
  },
  always: { runOn: 'always', run: (note, { outcome }) => note(`threw: ${outcome.threw}`) },
}
type PolicedRun = (note: (text: string) => void, context: TaskContext) => unknown

function adder(id: string, tasks: BackgroundTasks): (kind: string) => void {
  const add = (kind: string): void => {
    const name = `${id}:${kind}`
    const note = (text: string): void => write(name, { type: 'note', note: text })
    const policy = policies[kind]
    if (policy) {
      tasks.add(defineTask({ ...policy, name, run: (_input: undefined, context) => policy.run(note, context) }))
      return
    }
    tasks.add(Object.defineProperty(() => kinds[kind.replace(/\d/g, '')]?.(note, add), 'name', { value: name }))
  }
  return add
}

/** A body that comes in pieces; `onPiece` is called before each. */
function pieces(count: number, onPiece: (index: number) => void = () => {}): ReadableStream<Uint8Array> {
  let index = 0
  return new ReadableStream({
    async pull(controller) {
      await sleep(10)
      if (index === count) return controller.close()
      onPiece(index)
      controller.enqueue(encoder.encode(`${index++}\n`))
    },
  })
}

const ndjson = { 'content-type': 'application/x-ndjson' }

async function respond(url: URL, tasks: BackgroundTasks, platform: readonly any[]): Promise<Response> {
  const { searchParams: query } = url
  const add = adder(query.get('id') ?? '', tasks)
  for (const kind of query.get('tasks')?.split(',') ?? []) {
    for (let i = 0; i < Number(query.get('times') ?? 1); i++) add(query.has('times') ? `${kind}${i}` : kind)
  }
  switch (url.pathname.split('/')[2]) {
    case 'resources':
      for (const name of ['first', 'second']) {
        tasks.use({
          async [Symbol.asyncDispose]() {
            await sleep(1)
            write(`${query.get('id')}:${name}`, { type: 'disposed' })
          },
        })
      }
      return new Response('resources')
    case 'fixed':
      return new Response('fixed body')
    case 'big':
      return new Response(new Uint8Array(Number(query.get('size'))))
    case 'stream':
      return new Response(pieces(5), { headers: ndjson })
    case 'endless':
      return new Response(pieces(Infinity), { headers: ndjson })
    case 'sse':
      return new Response(pieces(5), { headers: { 'content-type': 'text/event-stream' } })
    case 'empty':
      return new Response(null, { status: Number(query.get('status')) })
    case 'redirect':
      return Response.redirect(new URL('/there', url), 302)
    case 'error':
      return new Response('an error made by hand', { status: 500 })
    case 'throw':
      throw new Error('meant to throw')
    case 'later':
      await sleep(100)
      return new Response('later')
    case 'producer':
      return new Response(
        pieces(5, (index) => index === 1 && add('burn')),
        { headers: ndjson },
      )
    case 'contexts':
      for (const name of ['one', 'two']) storage.run(name, add, 'context')
      return new Response('contexts')
    case 'late': {
      const late = sleep(60).then(() => add('quick'))
      platform.find((argument) => argument?.waitUntil)?.waitUntil(late)
      return new Response('late')
    }
    default:
      return new Response('no such route', { status: 404 })
  }
}

/** The handler of the app. `adapter` is the one of the host, for the wrapper `explicit`. */
export function createFixture(
  adapter: Adapter,
): (request: Request, ...platform: any[]) => Response | Promise<Response> {
  const shared: BackgroundTasksOptions = {
    observer: ({ type, task, delivery }) => write(task.name, { type, delivery }),
    onError: () => {},
  }
  const wrap = (options: BackgroundTasksOptions) =>
    withBackgroundTasks<any[]>((request, tasks, ...platform) => respond(new URL(request.url), tasks, platform), {
      ...shared,
      ...options,
    })
  const plain = wrap({})
  const wrappers: Record<string, (request: Request, ...platform: any[]) => Response | Promise<Response>> = {
    plain,
    explicit: wrap({ adapter }),
    body: wrap({ start: 'body' }),
    always: wrap({ runOn: 'always' }),
    three: wrap({ concurrency: 3 }),
    nested: withBackgroundTasks<any[]>((request, tasks, ...platform) => {
      adder(new URL(request.url).searchParams.get('id') ?? '', tasks)('slow')
      return plain(request, ...platform)
    }, shared),
    // What everybody writes first. It is here to show that the suite would see it.
    naive: wrap({
      adapter: {
        name: 'naive',
        keepAlive: (work, { platform }) => platform.find((argument) => argument?.waitUntil)?.waitUntil(work),
        afterResponse: (start) => void Promise.resolve().then(() => start('returned')),
      },
    }),
  }
  const app = new Hono().use(backgroundTasks(shared))
  app.onError(() => new Response('caught', { status: 500 }))
  app.get('/hono/stream', (c) => {
    adder(c.req.query('id') ?? '', c.var.tasks)(c.req.query('tasks') ?? '')
    c.header('content-type', ndjson['content-type'])
    return stream(c, async (out) => {
      for (let i = 0; i < 5; i++) {
        await out.sleep(10)
        await out.write(`${i}\n`)
      }
    })
  })
  app.get('/hono/sse', (c) => {
    adder(c.req.query('id') ?? '', c.var.tasks)(c.req.query('tasks') ?? '')
    return streamSSE(c, async (out) => {
      for (let i = 0; i < 5; i++) {
        await out.sleep(10)
        await out.writeSSE({ data: `${i}` })
      }
    })
  })
  const sub = new Hono().use(backgroundTasks(shared))
  sub.all('*', (c) => respond(new URL(c.req.url), c.get('tasks' as never) as BackgroundTasks, [c.env]))
  app.route('/hono', sub)

  return (request, ...platform) => {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/log') return Response.json(log.get(searchParams.get('id') ?? '') ?? [])
    const wrapper = pathname.split('/')[1] ?? ''
    if (wrapper === 'hono') return app.fetch(request, ...platform)
    return wrappers[wrapper]?.(request, ...platform) ?? new Response('no such wrapper', { status: 404 })
  }
}
