import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import { defineTask, type TaskQueue } from 'background-tasks'
import { pgBoss } from 'background-tasks/queues/pg-boss'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { lock } from '../../adapters/queues/_pglite-lock.ts'
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

describe('the lock of a directory', () => {
  const dead = `${2 ** 22 + 1} 1`

  /** A directory with the lock of a dead process. */
  const abandoned = (): string => {
    const directory = join(root, `lock-${directories++}`)
    mkdirSync(directory)
    writeFileSync(lockOf(directory), dead)
    return directory
  }

  // One of them may delete what another one has just written, where it takes that for the dead one's.
  it('is taken over by exactly one of six processes at once, each time', async () => {
    const program = fileURLToPath(new URL('./_lock-process.ts', import.meta.url))
    const children = [1, 2, 3, 4, 5, 6].map(() =>
      spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] }),
    )
    try {
      const answers = children.map(({ stdout }) => createInterface({ input: stdout })[Symbol.asyncIterator]())
      for (let round = 0; round < 25; round++) {
        const directory = abandoned()
        for (const { stdin } of children) stdin.write(`${directory}\n`)
        const said = await Promise.all(answers.map(async (lines) => (await lines.next()).value))
        expect(said.sort(), `round ${round}`).toEqual([...Array(5).fill('false'), 'true'])
        expect(readdirSync(directory)).toEqual(['background-tasks.lock'])
      }
    } finally {
      const ended = children.map((child) => once(child, 'exit'))
      for (const { stdin } of children) stdin.end()
      await Promise.all(ended)
    }
  }, 60_000)

  it('is taken over by exactly one of several in one process', async () => {
    const directory = abandoned()
    const taken = await Promise.allSettled([1, 2, 3, 4].map(() => lock(directory)))
    expect(taken.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected'])
  })

  it('is free where a process died as it wrote it', async () => {
    const directory = abandoned()
    writeFileSync(lockOf(directory), '')
    await lock(directory)
    expect(readFileSync(lockOf(directory), 'utf8')).toMatch(new RegExp(`^${process.pid} `))
  })

  it('is given back once, as it is that of somebody else afterwards', async () => {
    const directory = abandoned()
    const first = await lock(directory)
    await first()
    const second = await lock(directory)
    await first()
    expect(existsSync(lockOf(directory))).toBe(true)
    await second()
    expect(readdirSync(directory)).toEqual([])
  })

  it('is not waited for where a process died as it took it, and for ten seconds where one was stopped', async () => {
    const directory = abandoned()
    writeFileSync(`${lockOf(directory)}.${dead.replace(' ', '.')}.x`, '')
    await (await lock(directory))()
    expect(readdirSync(directory)).toEqual([])
    const stat = existsSync('/proc/self/stat') ? readFileSync(`/proc/${process.ppid}/stat`, 'utf8') : ''
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
    const stopped = `${lockOf(directory)}.${process.ppid}.${start}.x`
    writeFileSync(stopped, '')
    const started = Date.now()
    let calls = 0
    // Those of the lock alone: what an earlier file has left running in this process may ask for the time too.
    const isLock = (): boolean => new Error().stack?.includes('_pglite-lock') === true
    const now = vi.spyOn(Date, 'now').mockImplementation(() => started + 4000 * (isLock() ? calls++ : calls))
    try {
      await expect(lock(directory)).rejects.toThrow(
        new RegExp(`process ${process.ppid} has it open.* delete .*background-tasks.lock.${process.ppid}`),
      )
    } finally {
      now.mockRestore()
    }
    expect(calls).toBe(4)
    rmSync(stopped)
    await lock(directory)
  })
})
