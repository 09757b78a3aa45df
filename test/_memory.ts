/**
 * Run by Node, Deno and Bun with their garbage collection at hand: prints what is still in memory, as JSON, when the tasks
 * of many requests have ended and nobody but this library could hold what belonged to them.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { detached } from '../adapters/detached.ts'
import { type BackgroundTasks, type BackgroundTasksOptions, defineTask, withBackgroundTasks } from '../src/index.ts'

/** By what happened to the requests, and by kind of object: how many of them are left. */
export type Left = Record<string, Record<string, number>>

const REQUESTS = 100

type Kind = 'request' | 'response' | 'argument' | 'store' | 'platform' | 'error' | 'cleared'
type Track = (kind: Kind, object: object) => void

const storage = new AsyncLocalStorage<object>()
/** What a connection that never answers would hold. */
const neverCalled: unknown[] = []
const kept: BackgroundTasks[] = []

function collect(): void {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(sync: boolean): void } }
  if (Bun) Bun.gc(true)
  else if (gc) gc()
  else throw new Error('nothing to force a garbage collection with: --expose-gc is missing')
}

function done(_argument: object): void {}

function turn(_argument?: object): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}

function neverAnswered(_argument: object): Promise<unknown> {
  return new Promise((resolve) => neverCalled.push(resolve))
}

const limited = defineTask({ name: 'limited', timeoutMs: 20, run: neverAnswered })

interface Case {
  handler(tasks: BackgroundTasks, argument: object, track: Track): Response | Promise<Response>
  options?: BackgroundTasksOptions
  client?(response: Response): Promise<unknown>
  deadlineMs?: number
  /** What somebody else holds. */
  except?: readonly Kind[]
}

function streaming(): Response {
  const body = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(10)) })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}

const cases: Record<string, Case> = {
  'tasks succeeded': {
    handler(tasks, argument) {
      tasks.add(done, argument)
      tasks.add(turn, argument)
      return new Response('ok')
    },
  },
  'no task was added': { handler: () => new Response('ok') },
  'a task failed': {
    handler(tasks, argument, track) {
      tasks.add((_argument) => {
        const error = new Error('failed')
        track('error', error)
        throw error
      }, argument)
      return new Response('ok')
    },
  },
  'the handler threw': {
    handler(tasks, argument, track) {
      tasks.add(done, argument)
      const error = new Error('threw')
      track('error', error)
      throw error
    },
  },
  'the client left in the middle of the body': {
    handler(tasks, argument) {
      tasks.add(done, argument)
      return streaming()
    },
    async client(response) {
      const reader = response.body?.getReader()
      await reader?.read()
      await reader?.cancel()
    },
  },
  'the list was cleared': {
    handler(tasks, argument) {
      tasks.add(done, argument)
      tasks.clear()
      return new Response('ok')
    },
  },
  'no task was added, and somebody keeps the list': {
    handler(tasks) {
      kept.push(tasks)
      return new Response('ok')
    },
    except: ['request', 'platform'],
  },
  'tasks are added and cleared again and again while a response goes on for ever': {
    handler(tasks, argument, track) {
      const addAndClear = (): void => {
        const store = { store: true }
        track('cleared', store)
        storage.run(store, () => tasks.add(done, argument))
        tasks.clear()
      }
      for (let i = 0; i < 3; i++) addAndClear()
      tasks.add(done, argument)
      setTimeout(() => {
        tasks.clear()
        for (let i = 0; i < 3; i++) addAndClear()
      }, 0)
      return new Response('ok')
    },
    options: { adapter: { name: 'never', afterResponse: (start) => void neverCalled.push(start) } },
    deadlineMs: 20,
    except: ['request', 'platform', 'store'],
  },
  'a task hangs and was abandoned': {
    handler(tasks, argument) {
      tasks.add((_argument) => new Promise(() => {}), argument)
      tasks.add(done, argument)
      return new Response('ok')
    },
    deadlineMs: 20,
  },
  'a task waits for what never answers and was abandoned': {
    handler(tasks, argument) {
      tasks.add(neverAnswered, argument)
      tasks.add(done, argument)
      return new Response('ok')
    },
    deadlineMs: 20,
    // Whatever waits for a promise keeps the stores it was begun with.
    except: ['store'],
  },
  'a defined task waits for what never answers and exceeded its time': {
    handler(tasks, argument) {
      tasks.add(limited, argument)
      return new Response('ok')
    },
    except: ['store'],
  },
  'a task in a list with concurrency hangs and was abandoned': {
    handler(tasks, argument) {
      tasks.add(neverAnswered, argument)
      tasks.add(done, argument)
      return new Response('ok')
    },
    options: { concurrency: 3 },
    deadlineMs: 20,
    except: ['store'],
  },
}

async function leftOf({ handler, options, client, deadlineMs, except = [] }: Case): Promise<Record<string, number>> {
  const tracked: [Kind, WeakRef<object>][] = []
  const track: Track = (kind, object) => void tracked.push([kind, new WeakRef(object)])
  const wrapped = withBackgroundTasks(
    (_request: Request, tasks: BackgroundTasks, platform?: object) => {
      if (!platform) return new Response('somebody else')
      const argument = { big: new Array(100) }
      track('argument', argument)
      return handler(tasks, argument, track)
    },
    { adapter: detached(), onError: () => {}, ...options },
  )
  const call = async (): Promise<void> => {
    const [request, store, platform] = [new Request('http://localhost/'), { store: true }, { platform: true }]
    track('request', request)
    track('store', store)
    track('platform', platform)
    try {
      const response = await storage.run(store, () => wrapped(request, platform))
      track('response', response)
      await client?.(response)
    } catch (error) {
      if ((error as Error).message !== 'threw') throw error
    }
  }
  for (let i = 0; i < REQUESTS; i++) await call()
  await wrapped.drain({ timeoutMs: deadlineMs })
  const left = (): typeof tracked =>
    tracked.filter(([kind, reference]) => !except.includes(kind) && reference.deref() !== undefined)
  for (let tries = 0; tries < 20 && left().length > 0; tries++) {
    // What was looked at stays until the turn is over; and the wrapper must be in use all the time.
    await turn()
    collect()
    await wrapped(new Request('http://localhost/'))
  }
  const counts: Record<string, number> = {}
  for (const [kind] of left()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

const result: Left = {}
for (const [name, each] of Object.entries(cases)) result[name] = await leftOf(each)
console.log(JSON.stringify(result))
