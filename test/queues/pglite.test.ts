import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { defineTask, type TaskQueue } from 'background-tasks'
import { pgBoss } from 'background-tasks/queues/pg-boss'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeQueue, eventually } from '../conformance/queue.ts'
import { startEnqueuer } from './_pg.ts'
import { startWorker } from './_worker.ts'

const root = mkdtempSync(join(tmpdir(), 'pglite-test-'))
const template = join(root, 'template')
let directories = 0

beforeAll(async () => {
  // Once, as that keeps a processor busy for seconds.
  const pglite = await PGlite.create(template)
  await pglite.close()
}, 180_000)
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Each has one queue. */
function newDirectory(): string {
  const directory = join(root, `${directories++}`)
  cpSync(template, directory, { recursive: true })
  return directory
}

/** Runs what is in a queue, until there are so many. */
async function run(queue: TaskQueue<any>, name: string, count: number): Promise<number[]> {
  const ran: number[] = []
  const task = defineTask({ name, run: ({ n }: { n: number }) => void ran.push(n) })
  await using _worker = await queue.work([task], { concurrency: 5 })
  await eventually(() => ran.length >= count, `${count} tasks`, 30_000)
  return ran.sort((a, b) => a - b)
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const lockOf = (directory: string): string => join(directory, 'background-tasks.lock')

describeQueue({ kind: 'pglite', url: newDirectory, lacks: pgBoss({ directory: root }).lacks })

it('forgets records as long as it works, not only when it starts', async () => {
  await using queue = pgBoss({ directory: newDirectory(), retentionMs: 1000 })
  let count = 0
  const task = defineTask({ name: 'forgotten', run: () => void count++ })
  await using _worker = await queue.work([task])
  for (const wanted of [1, 2, 3]) {
    await eventually(
      async () => {
        await queue.enqueue(task, undefined, { id: 'x' })
        return count === wanted
      },
      'the id to be free',
      15_000,
    )
  }
}, 60_000)

describe('the directory of a PGlite', () => {
  it('keeps what a process enqueued that has ended', async () => {
    const directory = newDirectory()
    const plan = { kind: 'pglite', url: directory, task: 'kept', count: 10, waits: true } as const
    await using enqueuer = await startEnqueuer(plan)
    expect(enqueuer.said).toBe('enqueued')
    expect(await enqueuer.close()).toBe(0)
    expect(existsSync(lockOf(directory))).toBe(false)
    await using queue = pgBoss({ directory })
    expect(await run(queue, 'kept', 10)).toEqual(numbers(10))
  }, 60_000)

  it('loses nothing of what was acknowledged when the process is killed', async () => {
    const directory = newDirectory()
    const plan = { kind: 'pglite', url: directory, task: 'killed', count: 50, waits: true } as const
    await using enqueuer = await startEnqueuer(plan)
    expect(enqueuer.said).toBe('enqueued')
    await enqueuer.kill()
    expect(existsSync(lockOf(directory))).toBe(true)
    await using queue = pgBoss({ directory })
    expect(await run(queue, 'killed', 50)).toEqual(numbers(50))
  }, 60_000)

  it('runs again what was running when the process was killed, within three leases', async () => {
    const directory = newDirectory()
    const plan = { kind: 'pglite', url: directory, task: 'running', count: 1, ms: 60_000, waits: true } as const
    await using enqueuer = await startEnqueuer(plan)
    await enqueuer.close()
    await using worker = await startWorker({ kind: 'pglite', url: directory, task: 'running', concurrency: 1 })
    await eventually(() => worker.runs('start').length === 1, 'its start')
    await worker.kill()
    const attempts: number[] = []
    const task = defineTask({ name: 'running', run: (_input: object, { attempt }) => void attempts.push(attempt) })
    await using queue = pgBoss({ directory })
    await using _worker = await queue.work([task])
    await eventually(() => attempts.length > 0, 'its second start', 30_000)
    expect(attempts).toEqual([2])
  }, 90_000)

  it('refuses a second process by a sentence that names the first one, and lets it in when that has closed', async () => {
    const directory = newDirectory()
    const plan = { kind: 'pglite', url: directory, task: 'two', count: 1, waits: true } as const
    const queue = pgBoss({ directory })
    await queue.ready()
    await using second = await startEnqueuer(plan)
    expect(second.said).toMatch(/^QueueError: Cannot open the directory/)
    expect(second.said).toContain(directory)
    expect(second.said).toContain(`process ${process.pid} has it open`)
    await second.close()
    await queue.close()
    await using third = await startEnqueuer(plan)
    expect(third.said).toBe('enqueued')
  }, 60_000)

  it('refuses a second queue of the same process, and lets it in when the first one is closed', async () => {
    const directory = newDirectory()
    const first = pgBoss({ directory })
    await using second = pgBoss({ directory: join(directory, '..', '.', directory.slice(root.length)) })
    await first.ready()
    await expect(second.ready()).rejects.toMatchObject({
      name: 'QueueError',
      message: expect.stringContaining('another queue of this process has it open'),
    })
    await first.close()
    await second.ready()
  }, 60_000)

  it('is free for one of several that find the lock of a process that has died', async () => {
    const directory = newDirectory()
    writeFileSync(lockOf(directory), `${2 ** 22 + 1} 1`)
    const plan = { kind: 'pglite', url: directory, task: 'race', count: 1, waits: true } as const
    const enqueuers = await Promise.all([plan, plan, plan].map(startEnqueuer))
    try {
      expect(enqueuers.map(({ said }) => said.slice(0, 10)).sort()).toEqual(['QueueError', 'QueueError', 'enqueued'])
    } finally {
      await Promise.all(enqueuers.map((one) => one[Symbol.asyncDispose]()))
    }
  }, 60_000)

  it.runIf(existsSync('/proc/self/stat'))(
    'is free where another process has got the number of the dead one',
    async () => {
      const directory = newDirectory()
      writeFileSync(lockOf(directory), `${process.ppid} 1`)
      await using queue = pgBoss({ directory })
      await queue.ready()
    },
    60_000,
  )
})
