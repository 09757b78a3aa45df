import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { detached } from '../adapters/detached.ts'
import { type BackgroundTasks, withBackgroundTasks } from '../src/index.ts'
import {
  Book,
  drawn,
  hangs,
  type Plan,
  plansWithPolicy,
  type RuleName,
  resource,
  ruleName,
  ruleOf,
} from './_exactly-once.ts'
import { takePrinted } from './_printed.ts'
import { turn } from './_wrapped.ts'

const seldom = <T>(value: T, often: T): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(often) }, { weight: 1, arbitrary: fc.constant(value) })

const request = fc.record({
  handler: fc.constantFrom('returns', 'resolves', 'resolves', 'throws', 'rejects', 'never settles'),
  status: fc.constantFrom(200, 500),
  body: fc.constantFrom('fixed', 'read', 'read', 'cancelled', 'cancelled', 'failing', 'never read'),
  tasks: plansWithPolicy,
  uses: resource,
  /** Added by the producer of a streaming body. */
  inBody: seldom<Plan['ends'] | undefined>('rejects', undefined),
  /** Added once the list has settled. */
  late: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: plansWithPolicy }),
  clear: seldom(true, false),
})

const schedule = fc.record({
  concurrency: fc.integer({ min: 1, max: 4 }),
  stopOnError: seldom(true, false),
  runOn: ruleName,
  attempts: seldom(2, undefined),
  timeoutMs: fc.constantFrom(undefined, undefined, undefined, 1, 1000),
  start: fc.constantFrom('auto', 'response', 'body'),
  observer: seldom('records and throws', 'records'),
  onError: fc.constantFrom('returns', 'throws', 'rejects'),
  requests: fc.array(request, { minLength: 1, maxLength: 3 }),
  /** A drain with a deadline in the middle of it all, and after how many turns. */
  drain: fc.constantFrom(undefined, undefined, { timeoutMs: 0 }, { timeoutMs: 2 }, { signal: AbortSignal.abort() }),
  after: fc.nat(6),
})

type Request_ = typeof request extends fc.Arbitrary<infer T> ? T : never
type Schedule = typeof schedule extends fc.Arbitrary<infer T> ? T : never

const failure = new Error('the handler failed')

/** Whether tasks may run, said anew and simply. */
function mayRun(runOn: RuleName, { handler, status }: Request_): boolean {
  const threw = handler === 'throws' || handler === 'rejects'
  if (handler === 'never settles' || runOn === 'no' || runOn === 'throws') return false
  if (runOn === 'always' || runOn === 'yes') return true
  return !threw && (runOn === 'response' || status < 400)
}

function bodyOf({ body }: Request_, inBody: () => void): BodyInit {
  if (body === 'fixed') return 'ok'
  let chunks = 0
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      await turn()
      if (++chunks === 2) inBody()
      if (chunks === 3 && body === 'failing') throw new Error('the body failed')
      if (chunks === 4) controller.close()
      else controller.enqueue(new Uint8Array(3))
    },
  })
}

/** What the client does with the response. */
async function receive({ body }: Request_, response: Response): Promise<void> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  try {
    if (body === 'cancelled') {
      await reader.read()
      await reader.cancel()
    } else while (!(await reader.read()).done);
  } catch (error) {
    expect(error).toEqual(new Error('the body failed'))
  }
}

async function play(drawnSchedule: Schedule): Promise<void> {
  const { concurrency, stopOnError, runOn, attempts, timeoutMs, start, observer, onError, requests, drain, after } =
    drawnSchedule
  const book = new Book({ attempts, timeoutMs })
  const lists: BackgroundTasks[] = []
  const unread: Response[] = []
  const handler = withBackgroundTasks(
    (_request: Request, tasks: BackgroundTasks, owner: number) => {
      const each = requests[owner] as Request_
      lists[owner] = tasks
      book.use(tasks, each.uses)
      book.add(tasks, owner, each.tasks)
      if (each.clear) tasks.clear()
      if (each.handler === 'throws') throw failure
      if (each.handler === 'rejects') return turn().then(() => Promise.reject(failure))
      if (each.handler === 'never settles') return new Promise<Response>(() => {})
      const inBody = each.inBody && { ends: each.inBody, turns: 1, clears: false, adds: [] }
      const response = new Response(
        bodyOf(each, () => book.add(tasks, owner, inBody ? [inBody] : [])),
        {
          status: each.status,
          headers: each.body === 'fixed' ? {} : { 'content-type': 'text/event-stream' },
        },
      )
      return each.handler === 'returns' ? response : turn().then(() => response)
    },
    {
      adapter: detached(),
      concurrency,
      stopOnError,
      start: start as 'auto' | 'response' | 'body',
      runOn: ruleOf(runOn),
      timeoutMs,
      retry: attempts ? { attempts, delayMs: 2 } : undefined,
      observer(event) {
        book.events.push(event)
        if (observer === 'records and throws') throw new Error('observer threw')
      },
      onError(_error, task) {
        book.failed(task)
        if (onError === 'throws') throw new Error('onError threw')
        return onError === 'rejects' ? Promise.reject(new Error('onError rejected')) : undefined
      },
    },
  )

  const clients = requests.map(async (each, owner) => {
    try {
      const response = await handler(new Request('http://localhost/'), owner)
      expect(response.status).toBe(each.status)
      if (each.body === 'never read') unread.push(response)
      else await receive(each, response)
    } catch (error) {
      expect(error, 'the handler throws what it threw').toBe(failure)
      expect(['throws', 'rejects']).toContain(each.handler)
    }
  })
  for (let i = 0; i < after; i++) await turn()
  if (drain) await book.drain(() => handler.drain(drain))

  // Where something hangs, only a deadline ends it.
  const stuck = requests.some(
    ({ handler, tasks, late }) => handler === 'never settles' || hangs(tasks, timeoutMs) || hangs(late, timeoutMs),
  )
  const settled = async (): Promise<void> => {
    await book.drain(() => handler.drain(stuck ? { timeoutMs: 25 } : {}))
    await book.quiet()
    while (book.isUnsettled) {
      await book.drain(() => handler.drain({ timeoutMs: 25 }))
      await book.quiet()
    }
    await book.drain(() => handler.drain({ timeoutMs: 25 }))
    await book.quiet()
  }
  await Promise.all(clients.filter((_client, owner) => requests[owner]?.handler !== 'never settles'))
  await settled()
  for (const [owner, { late }] of requests.entries()) book.add(lists[owner] as BackgroundTasks, owner, late)
  await settled()

  book.check(concurrency)
  book.checkReports()
  const left = { succeeded: 0, failed: 0, discarded: 0, abandoned: [] }
  expect(await handler.drain(), 'nothing is left to wait for').toEqual(left)
  for (const [owner, each] of requests.entries()) {
    const clears = each.clear || JSON.stringify(each).includes('"clears":true')
    for (const { type, task } of book.eventsOf(owner)) {
      if (!mayRun(book.ruleOf(task) ?? runOn, each)) expect(type, 'nothing ran that must not').not.toBe('started')
      else if (!stopOnError && !clears) expect(type, 'nothing was discarded without a reason').not.toBe('discarded')
      if (!drain && !stuck) expect(type, 'nothing was abandoned without a deadline').not.toBe('abandoned')
    }
  }
  if (!drain && !stuck && !timeoutMs && !JSON.stringify(requests).includes('"timeoutMs":1')) book.checkDisposals()
  // Else its producer may still be at it when the test is over.
  for (const response of unread) await response.body?.cancel()
  await turn()
  await turn()
  for (const line of takePrinted()) expect(line).toMatch(/(observer|onError) threw|onError rejected|runOn threw/)
}

test('whatever happens, every task ends in exactly one way, which is told', { timeout: 120_000 }, async () => {
  const property = fc.asyncProperty(schedule, play)
  property.afterEach(() => void takePrinted())
  await fc.assert(property, drawn(300))
})
