import { once } from 'node:events'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type BackgroundTasks, withBackgroundTasks } from '../src/index.ts'
import { Book, drawn, hangs, type Plan, plans } from './_exactly-once.ts'
import { takePrinted } from './_printed.ts'
import { connected, listening, until } from './_server.ts'
import { turn } from './_wrapped.ts'

const request = fc.record({
  tasks: plans.filter((some) => !hangs(some)),
  handlerTurns: fc.nat(3),
  throws: fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  /** Bytes of each chunk; one chunk is a fixed body. The large ones do not fit into a socket's buffers. */
  chunks: fc.array(fc.constantFrom<number>(10, 10, 10, 10_000, 10_000, 3_000_000), { minLength: 1, maxLength: 4 }),
  /** When the client leaves. */
  leaves: fc.constantFrom('when it has all', 'when it has all', 'at once', 'after some turns', 'at the first bytes'),
  turns: fc.nat(8),
})

type Drawn = typeof request extends fc.Arbitrary<infer T> ? T : never

function bodyOf(chunks: readonly number[]): BodyInit {
  if (chunks.length === 1) return 'x'.repeat(chunks[0] as number)
  const left = [...chunks]
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      await turn()
      controller.enqueue(new Uint8Array(left.shift() as number).fill(120))
      if (left.length === 0) controller.close()
    },
  })
}

/** Sends a request and leaves when it is told to; gives the number of body bytes where it stayed. */
async function visit(port: number, path: string, { leaves, turns }: Drawn): Promise<number | undefined> {
  const socket = await connected(port)
  const closed = once(socket, 'close')
  socket.on('error', () => {})
  let bytes = 0
  socket.on('data', (chunk) => {
    for (const byte of chunk) if (byte === 120) bytes++
  })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  if (leaves === 'after some turns') for (let i = 0; i < turns; i++) await turn()
  if (leaves === 'at the first bytes') await Promise.race([once(socket, 'data'), closed])
  if (leaves !== 'when it has all') socket.destroy()
  await closed
  return leaves === 'when it has all' ? bytes : undefined
}

/** Gives how many tasks were told that their client had left. */
async function play(requests: Drawn[], concurrency: number): Promise<number> {
  const book = new Book()
  const { events } = book
  const called = new Set<number>()
  let handling = 0
  const fetch = withBackgroundTasks(
    async (request: Request, tasks: BackgroundTasks) => {
      const owner = Number(new URL(request.url).pathname.slice(1))
      const { tasks: some, handlerTurns, throws, chunks } = requests[owner] as Drawn
      called.add(owner)
      handling++
      try {
        for (let i = 0; i < handlerTurns; i++) await turn()
        book.add(tasks, owner, some)
        if (throws) throw new Error('the handler failed')
        return new Response(bodyOf(chunks), { headers: { 'content-type': 'application/octet-stream' } })
      } finally {
        handling--
      }
    },
    { concurrency, observer: (event) => void events.push(event), onError: () => {} },
  )
  const server = createAdaptorServer({ fetch }) as Server
  await using running = await listening(server)
  let connections = 0
  server.on('connection', (socket) => {
    connections++
    socket.on('close', () => connections--)
  })

  const bytes = await Promise.all(requests.map((each, owner) => visit(running.port, `/${owner}`, each)))
  await until(() => connections === 0 && handling === 0, 'the server has done with every request')
  await book.drain(() => fetch.drain())

  book.check(concurrency)
  for (const [owner, each] of requests.entries()) {
    const stayed = each.leaves === 'when it has all'
    if (stayed) expect(called, 'was handled').toContain(owner)
    if (stayed && !each.throws) expect(bytes[owner], 'the whole body came').toBe(each.chunks.reduce((a, b) => a + b))
    const ends = events.filter(({ task, type }) => task.name.startsWith(`${owner}.`) && type !== 'added')
    for (const { type, delivery } of ends) {
      if (each.throws) expect(type, 'after a throw').toBe('discarded')
      else if (!clears(each.tasks)) expect(type).not.toBe('discarded')
      if (type !== 'discarded') expect(delivery).toBeOneOf(stayed ? ['flushed'] : ['flushed', 'aborted'])
    }
  }
  // What @hono/node-server says of the handlers' errors and of bodies that nobody took.
  for (const line of takePrinted()) expect(line).not.toMatch(/background-tasks/)
  return events.filter(({ type, delivery }) => type === 'started' && delivery === 'aborted').length
}

function clears(some: readonly Plan[]): boolean {
  return some.some((each) => each.clears || clears(each.adds))
}

test('on a Node server with clients that leave at any moment, every task ends once', { timeout: 120_000 }, async () => {
  const requests = fc.array(request, { minLength: 8, maxLength: 16 })
  let aborted = 0
  const property = fc.asyncProperty(requests, fc.integer({ min: 1, max: 4 }), async (some, concurrency) => {
    aborted += await play(some, concurrency)
  })
  property.afterEach(() => void takePrinted())
  await fc.assert(property, drawn(30))
  expect(aborted, 'tasks that knew of their client having left').toBeGreaterThan(0)
})
