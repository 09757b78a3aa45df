/** Many tasks on one request: the bytes that each takes while it waits, and its time. Needs --expose-gc. */
import { type BackgroundTasks, withBackgroundTasks } from 'background-tasks'

export interface LongListFigures {
  /** Bytes for each task, over several lists. */
  bytes: { ours: number[]; promiseChain: number[] }
  /** By the number of tasks: nanoseconds for each, from `add` to the end of the last one, over several lists. */
  nanoseconds: Record<number, number[]>
}

const QUEUED = 100_000
const LENGTHS = [1_000, 10_000, 100_000, 1_000_000]

let last = 0

function task(n: number): void {
  last = n
}

function heap(): number {
  gc?.()
  gc?.()
  return process.memoryUsage().heapUsed
}

async function bytesOfOurs(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<Response>()
  const handler = withBackgroundTasks((_request: Request, tasks: BackgroundTasks) => {
    for (let i = 0; i < QUEUED; i++) tasks.add(task, i)
    return promise
  })
  const before = heap()
  const answered = handler(new Request('http://localhost/'))
  const bytes = (heap() - before) / QUEUED
  resolve(new Response('ok'))
  await answered
  await handler.drain()
  return bytes
}

async function bytesOfPromiseChain(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const before = heap()
  let chain = promise
  for (let i = 0; i < QUEUED; i++) chain = chain.then(() => task(i))
  const bytes = (heap() - before) / QUEUED
  resolve()
  await chain
  return bytes
}

async function nanosecondsOf(length: number): Promise<number> {
  const handler = withBackgroundTasks((_request: Request, tasks: BackgroundTasks) => {
    for (let i = 0; i < length; i++) tasks.add(task, i)
    return new Response('ok')
  })
  gc?.()
  const start = performance.now()
  await handler(new Request('http://localhost/'))
  const { succeeded } = await handler.drain()
  const figure = ((performance.now() - start) / length) * 1e6
  if (succeeded !== length || last !== length - 1) throw new Error(`${succeeded} of ${length} tasks ran`)
  return figure
}

const figures: LongListFigures = { bytes: { ours: [], promiseChain: [] }, nanoseconds: {} }
for (let round = 0; round < 5; round++) {
  figures.bytes.promiseChain.push(await bytesOfPromiseChain())
  figures.bytes.ours.push(await bytesOfOurs())
}
for (let round = 0; round < 3; round++) {
  for (const length of LENGTHS) {
    // The same number of tasks altogether, so that a short list is not judged by its warm-up.
    for (let i = 0; i < Math.min(50, 100_000 / length) || i === 0; i++) {
      const figure = await nanosecondsOf(length)
      if (round > 0) (figures.nanoseconds[length] ??= []).push(figure)
    }
  }
}
process.send?.(figures)
