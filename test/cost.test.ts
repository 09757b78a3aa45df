/**
 * What a request costs over the same handler without this library, behind @hono/node-server. Counted and not timed, so that
 * no noise hides it when what was won is lost again.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Costs, Counts, Kind, Listeners, Row } from './_cost.ts'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))
const FLAGS = [
  // A collection between two readings would hide what was allocated.
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
  // What these leave out of an allocation, and when they begin to, is another thing in each run.
  '--no-opt',
  '--no-maglev',
]

let costs: Costs

beforeAll(async () => {
  const node = path('../node_modules/node/bin/node')
  const { stdout } = await promisify(execFile)(node, [...FLAGS, path('_cost.ts')], { timeout: 50_000 })
  costs = JSON.parse(stdout)
})

function bareOf(row: Row): Row {
  return row.startsWith('sync') ? 'sync bare' : 'async bare'
}

/** What is there beyond the bare handler's; of what is equal, nothing. */
function over(bare: Counts, counts: Counts): Counts {
  const events = [...new Set([...Object.keys(bare), ...Object.keys(counts)])]
  const differences = events.map((event) => [event, (counts[event] ?? 0) - (bare[event] ?? 0)] as const)
  return Object.fromEntries(differences.filter(([, difference]) => difference !== 0))
}

describe('listeners', () => {
  function listenersOver(kind: Kind, count: 0 | 1 | 10 | 400): Listeners {
    const [bare, counted] = [costs.listeners[`${kind} bare`], costs.listeners[`${kind} ${count}`]]
    return { outgoing: over(bare.outgoing, counted.outgoing), socket: over(bare.socket, counted.socket) }
  }

  test.each(['sync', 'async'] as const)('a request without tasks adds none, its handler being %s', (kind) => {
    expect(listenersOver(kind, 0)).toEqual({ outgoing: {}, socket: {} })
  })

  test.each([
    ['sync', 1],
    ['sync', 10],
    ['sync', 400],
    ['async', 1],
    ['async', 10],
    ['async', 400],
  ] as const)(
    'a request with tasks adds none to its response, which has closed when they start, nor to its socket (%s handler, tasks: %d)',
    (kind, count) => {
      expect(listenersOver(kind, count)).toEqual({ outgoing: {}, socket: {} })
    },
  )
})

describe('promises, immediates, timers, ticks', () => {
  function resourcesOver(row: Row): Counts {
    const bare = costs.resources[bareOf(row)]
    // Otherwise it would count nothing at all.
    expect(bare['PROMISE']).toBeGreaterThan(costs.requests)
    const counts = Object.entries(over(bare, costs.resources[row]))
    return Object.fromEntries(counts.map(([type, count]) => [type, count / costs.requests]))
  }

  test('a request without tasks costs none', () => {
    expect(resourcesOver('sync 0')).toEqual({})
  })

  test('a request without tasks costs the promise that waits for an async handler', () => {
    expect(resourcesOver('async 0')).toEqual({ PROMISE: 1 })
  })

  test('a request with a task costs two promises, and an immediate to start in', () => {
    expect(resourcesOver('sync 1')).toEqual({ PROMISE: 2, Immediate: 1 })
  })

  test('each further task costs one promise', () => {
    expect(resourcesOver('sync 10')).toEqual({ PROMISE: 2 + 9, Immediate: 1 })
  })

  test('tasks of an async handler cost the same and the promise that waits for it', () => {
    expect(resourcesOver('async 1')).toEqual({ PROMISE: 1 + 2, Immediate: 1 })
    expect(resourcesOver('async 10')).toEqual({ PROMISE: 1 + 2 + 9, Immediate: 1 })
  })
})

describe('bytes', () => {
  /**
   * Over the bare handler, on Node 24. The same to the byte in each run, so that one object more shows. Set it anew where less
   * is found, or what was won can be lost again unseen.
   */
  const FOUND = { 'sync 0': 296, 'async 0': 576, 'sync 1': 1672, 'async 1': 1952, 'further task': 362 }
  /** An empty array; hardly any object is smaller. */
  const OBJECT = 32

  function bytesOver(row: Row): number {
    expect(costs.collections, 'garbage collections while bytes were counted').toBe(0)
    return costs.bytes[row] - costs.bytes[bareOf(row)]
  }

  function expectFound(what: keyof typeof FOUND, bytes: number): void {
    expect(bytes, `${what}: ${bytes} bytes over the bare handler, found was ${FOUND[what]}`).toBeLessThan(
      FOUND[what] + OBJECT,
    )
    // Or else nothing was counted.
    expect(bytes).toBeGreaterThan(0)
  }

  test.each(['sync 0', 'async 0'] as const)(
    'a request without tasks allocates no more than when it was last counted (%s)',
    (row) => {
      expectFound(row, bytesOver(row))
    },
  )

  test.each(['sync 1', 'async 1'] as const)(
    'a request with a task allocates no more than when it was last counted (%s)',
    (row) => {
      expectFound(row, bytesOver(row))
    },
  )

  test.each(['sync', 'async'] as const)(
    'each further task allocates no more than when it was last counted (%s handler)',
    (kind) => {
      expectFound('further task', (bytesOver(`${kind} 10`) - bytesOver(`${kind} 1`)) / 9)
    },
  )
})
