/** What happens to one request, drawn by its number from a seed: client and server come to the same without a word. */
import { type Kind, kinds, limitless } from './_faulty-tasks.ts'

export const wrapperNames = ['ordered', 'concurrent', 'strict', 'insistent', 'abandoned'] as const
export type WrapperName = (typeof wrapperNames)[number]

/** How many requests one client sends, before it is somebody else's turn. */
export const VISIT = 4

/** One after another on a kept connection, or on one each, or all at once. */
export type Connection = 'kept alive' | 'one each' | 'pipelined'

export interface TaskPlan {
  readonly kind: Kind
  readonly clears: boolean
  readonly uses: boolean
  /** Whether it adds another one when the list may be over long since. */
  readonly addsLate: boolean
  /** What it adds in its first attempt. */
  readonly adds: readonly TaskPlan[]
}

export interface RequestPlan {
  readonly wrapper: WrapperName
  readonly tasks: readonly TaskPlan[]
  readonly resources: number
  /** The request's own body; one that `breaks off` is never sent to its end. */
  readonly upload: 'none' | 'whole' | 'breaks off'
  /** Turns of the event loop that the handler takes; a synchronous handler takes none. */
  readonly handlerTurns: number
  readonly throws: boolean
  readonly status: number
  readonly body: 'fixed' | 'streamed' | 'breaks'
  /** Bytes of each chunk. */
  readonly chunks: readonly number[]
  /** Whether the producer of a streamed body adds a task. */
  readonly addsInBody: boolean
  readonly client: 'stays' | 'leaves before' | 'leaves during' | 'leaves after' | 'reads slowly'
  readonly clientTurns: number
}

/** A number from 0 to 1 at each call. */
export type Random = () => number

/** Mulberry32, begun at a place that neighbours do not share. */
export function randomOf(seed: number, index: number): Random {
  let state = Math.imul(seed ^ Math.imul(index + 1, 0x9e3779b1), 0x85ebca6b)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** How the client of a visit connects; visits have numbers of their own. */
export function connectionOf(seed: number, visit: number): Connection {
  return oneOf(randomOf(seed, -visit - 2), ['kept alive', 'kept alive', 'kept alive', 'one each', 'pipelined'])
}

export function planOf(seed: number, index: number): RequestPlan {
  const random = randomOf(seed, index)
  const chance = (part: number): boolean => random() < part
  const pipelined = connectionOf(seed, Math.floor(index / VISIT)) === 'pipelined'
  const wrapper = oneOf(random, wrapperNames)
  const upload = pipelined || chance(0.9) ? 'none' : chance(0.5) ? 'whole' : 'breaks off'
  // Where a pipelined response breaks that waits for its turn, Node itself leaves the connection open and silent for ever.
  const body = oneOf(random, ['fixed', 'fixed', 'fixed', 'streamed', pipelined ? 'streamed' : 'breaks'] as const)
  const status = oneOf(random, [200, 200, 200, 201, 303, 404, 503])
  // The large ones do not fit into the buffers of a socket.
  const large = body === 'streamed' && !pipelined && chance(0.04)
  const chunks = large
    ? Array(30).fill(100_000)
    : many(random, body === 'fixed' ? 1 : 5, () => oneOf(random, [10, 10, 9000]))
  return {
    wrapper,
    tasks: chance(0.2) ? [] : many(random, 4, () => drawTask(random, wrapper, 2)),
    resources: chance(0.7) ? 0 : many(random, 3, () => 0).length,
    upload,
    handlerTurns: chance(0.5) ? 0 : Math.floor(random() * 4),
    throws: chance(0.08),
    status,
    body,
    chunks,
    addsInBody: body === 'streamed' && chance(0.3),
    client: large
      ? oneOf(random, ['reads slowly', 'leaves during'])
      : chance(0.8)
        ? 'stays'
        : oneOf(random, ['leaves before', 'leaves during', 'leaves after', 'reads slowly']),
    clientTurns: Math.floor(random() * 5),
  }
}

function drawTask(random: Random, wrapper: WrapperName, depth: number): TaskPlan {
  const possible = wrapper === 'abandoned' ? kinds : kinds.filter((kind) => kind !== limitless)
  return {
    kind: oneOf(random, possible),
    clears: random() < 0.03,
    uses: random() < 0.1,
    addsLate: random() < 0.03,
    adds: depth > 0 && random() < 0.2 ? many(random, 2, () => drawTask(random, wrapper, depth - 1)) : [],
  }
}

function oneOf<T>(random: Random, choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)] as T
}

/** From one to `most`. */
function many<T>(random: Random, most: number, make: () => T): T[] {
  return Array.from({ length: 1 + Math.floor(random() * most) }, make)
}
