import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { defineTask, type TaskEvent } from 'background-tasks'
import { bullmq } from 'background-tasks/queues/bullmq'
import * as bull from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../adapters/queues/_bullmq-connect.ts'
import { BullConsumer, workerOptions } from '../../adapters/queues/_bullmq-consumer.ts'
import type { BullModuleLike } from '../../adapters/queues/_bullmq-like.ts'
import { Line, lineOptions } from '../../adapters/queues/_bullmq-line.ts'
import type { OnLine } from '../../adapters/queues/_bullmq-upkeep.ts'
import { within } from '../../adapters/queues/_deadline.ts'
import type { Deadline, Job, Perform } from '../../adapters/queues/_engine.ts'
import { describeQueue, eventually } from '../conformance/queue.ts'
import { startProxy } from './_proxy.ts'
import { type Server, startRedis } from './_servers.ts'

let server: Server
/** Looks at what is in the server. */
let redis: Redis

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url, { retryStrategy: () => 50 })
  redis.on('error', () => {})
})

afterAll(async () => {
  redis.disconnect()
  await server[Symbol.asyncDispose]()
})

describeQueue({
  kind: 'redis',
  url: () => server.url,
  server: () => server,
  lacks: bullmq({ url: 'redis://localhost' }).lacks,
})

const module = bull as unknown as BullModuleLike
const common = { prefix: 'bull', leaseMs: 3000 }
const settings = { ...common, timeoutMs: 4000, retentionMs: 60_000, payloadBytes: 100_000 }
const forever = { at: Number.MAX_SAFE_INTEGER, signal: new AbortController().signal }

const jobOf = (name: string, id: string): Job => ({
  task: defineTask({ name, run: () => {} }),
  id,
  text: JSON.stringify({ v: 1, id }),
  delayMs: 0,
  priority: 0,
  transaction: undefined,
})

/** Lets so many turns of the event loop pass. */
async function hops(count: number): Promise<void> {
  for (let hop = 0; hop < count; hop++) await immediate()
}

describe('where the server of BullMQ is', () => {
  test('is one of url and connection, and neither a cluster nor nothing', () => {
    const message = /Cannot create the BullMQ queue as 'url' must be given, or 'connection', and not both/
    expect(() => bullmq({})).toThrow(message)
    expect(() => bullmq({ url: 'redis://localhost', connection: {} })).toThrow(message)
    expect(() => bullmq({ url: 'localhost' })).toThrow(TypeError)
    expect(() => bullmq({ connection: 'redis://localhost' as never })).toThrow(TypeError)
    expect(() => bullmq({ connection: { isCluster: true } })).toThrow(/not one of a cluster/)
    expect(() => bullmq({ url: 'redis://localhost', prefix: '' })).toThrow(TypeError)
  })

  test('can be told by options of ioredis, and by a client of it, which is left alone', async () => {
    const { hostname: host, port } = new URL(server.url)
    const client = new Redis({ host, port: Number(port), lazyConnect: true, db: 3 })
    for (const connection of [{ host, port: Number(port), db: 3 }, client]) {
      await using queue = bullmq({ connection, prefix: 'app' })
      const ran: unknown[] = []
      const task = defineTask({ name: 'told', run: (input: string) => void ran.push(input) })
      await using _worker = await queue.work([task])
      await queue.enqueue(task, 'here')
      await eventually(() => ran.length === 1, 'the task')
    }
    expect(client.status).toBe('wait')
    await redis.select(3)
    const keys = await redis.keys('*')
    await redis.select(0)
    expect(keys).toContain('app:told:meta')
    expect(keys.filter((key) => !key.startsWith('app:'))).toEqual([])
  })

  test('is left by a queue that is closed during its first call, which is answered', async () => {
    await using proxy = await startProxy(Number(new URL(server.url).port))
    const task = defineTask({ name: 'closed at once', run: () => {} })
    for (let round = 0; round < 10; round++) {
      const queue = bullmq({ url: `redis://127.0.0.1:${proxy.port}` })
      const calls = [queue.enqueue(task, undefined), queue.get(task, 'x'), queue.unschedule(task)]
      await queue.close()
      expect(await Promise.all(calls)).toMatchObject([{ id: expect.any(String) }, undefined, undefined])
    }
    await eventually(() => proxy.clients === 0, 'its connections to end')
  })

  test('says what to install where bullmq or ioredis is missing, at the first call', async () => {
    for (const missing of ['bullmq', 'ioredis']) {
      const code = `
        import { registerHooks } from 'node:module'
        registerHooks({ resolve: (name, context, next) => {
          if (name === '${missing}') throw new Error('Cannot find package')
          return next(name, context)
        } })
        const { bullmq } = await import(${JSON.stringify(new URL('../../adapters/queues/bullmq.ts', import.meta.url))})
        const queue = bullmq({ url: 'redis://127.0.0.1:1' })
        await queue.ready().catch(({ name, message }) => console.log(name + ': ' + message))`
      const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'pipe'] })
      let printed = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => void (printed += chunk))
      await once(child, 'exit')
      expect(printed).toMatch(/^QueueError: .*npm install/)
      expect(printed.trim()).toMatch(new RegExp(`npm install ${missing}$`))
    }
  })
})

describe('what is sent to BullMQ', () => {
  test('has no effect after the deadline where the server freezes between the question and the jobs', async () => {
    await using frozen = await startRedis()
    const name = 'frozen in the middle'
    let freeze = false
    // The moment that nobody else can hit: all was answered, now the jobs leave.
    const createIORedisClient: BullModuleLike['createIORedisClient'] = (client) => ({
      multi: () => {
        const transaction = module.createIORedisClient(client).multi()
        const { exec } = transaction
        transaction.exec = () => {
          if (freeze) frozen.freeze()
          return exec.call(transaction)
        }
        return transaction
      },
    })
    const line = new Line(
      { ...module, createIORedisClient },
      await connect({ url: frozen.url }, lineOptions, forever),
      common,
      () => {},
    )
    await within(4000, (deadline) => line.send([jobOf(name, 'before')], deadline))
    freeze = true
    await expect(within(1000, (deadline) => line.send([jobOf(name, 'late')], deadline))).rejects.toThrow(
      /within 1000 ms/,
    )
    frozen.thaw()
    await using queue = bullmq({ url: frozen.url })
    const { task } = jobOf(name, '')
    expect(await queue.get(task, 'before')).toMatchObject({ state: 'queued' })
    // The server comes to what it was sent before it comes to this.
    expect(await queue.get(task, 'late')).toBeUndefined()
  })

  test('is one transaction, also of several tasks and of calls that come together', async () => {
    await using queue = bullmq({ url: server.url })
    const [one, two] = ['one', 'two'].map((name) => defineTask({ name, run: (_: number) => {} })) as [any, any]
    await queue.enqueueAll([one, two].map((task) => ({ task, input: 0 })))
    const monitor = await redis.monitor()
    const seen: string[] = []
    monitor.on('monitor', (_time, [command]) => void seen.push(command.toLowerCase()))
    await queue.enqueueAll([1, 2, 3].flatMap((input) => [one, two].map((task) => ({ task, input }))))
    await Promise.all([4, 5, 6, 7].map((input) => queue.enqueue(one, input)))
    await eventually(() => seen.filter((command) => command === 'exec').length >= 2, 'the transactions')
    monitor.disconnect()
    const transactions = seen.filter((command) => /^(multi|exec|evalsha|eval)$/.test(command)).join(' ')
    expect(transactions.replace(/eval\b/g, 'evalsha')).toMatch(
      /^multi( evalsha){6} exec multi( evalsha){1,4} exec( multi( evalsha){1,3} exec)?$/,
    )
  })

  test('is there just where its call did not reject, also where the queue was closed meanwhile', async () => {
    const task = defineTask({ name: 'closing', run: () => {} })
    await using queue = bullmq({ url: server.url })
    for (let round = 0; round < 30; round++) {
      const closing = bullmq({ url: server.url })
      await closing.ready()
      const ids = [0, 1, 2, 3].map((index) => `${round}-${index}`)
      const calls: Promise<unknown>[] = []
      for (const id of ids) {
        calls.push(closing.enqueue(task, undefined, { id }))
        await hops(round)
      }
      const closed = closing.close()
      const outcomes = await Promise.allSettled(calls)
      await closed
      const there = await Promise.all(ids.map((id) => queue.get(task, id)))
      expect(there.map((job) => job !== undefined)).toEqual(outcomes.map(({ status }) => status === 'fulfilled'))
    }
  })

  test('keeps its order, of as many calls at once as there may be', async () => {
    await using queue = bullmq({ url: server.url })
    const ran: number[] = []
    const task = defineTask({ name: 'order', run: (input: number) => void ran.push(input) })
    const inputs = Array.from({ length: 250 }, (_, index) => index)
    await Promise.all(inputs.map((input) => queue.enqueue(task, input)))
    await using _worker = await queue.work([task])
    await eventually(() => ran.length === 250, 'all of them')
    expect(ran).toEqual(inputs)
  })

  test('may have any name and id, also those of BullMQ itself, and lone surrogates', async () => {
    await using queue = bullmq({ url: server.url })
    const ids = [
      'meta',
      'wait',
      '0',
      '0:1',
      'repeat:a:1',
      '%3A',
      ':',
      '\ud800',
      '\udc00',
      '"',
      '\\',
      '\u0000',
      'id-x',
      'x',
    ]
    for (const name of ['meta', 'a:b', 'a%3Ab', '\ud800', '{x}']) {
      const ran: string[] = []
      const task = defineTask({ name, run: (input: string) => void ran.push(input) })
      await using _worker = await queue.work([task], { concurrency: 5 })
      await queue.enqueueAll(ids.map((id) => ({ task, input: id, options: { id } })))
      await eventually(() => ran.length === ids.length, `all of ${JSON.stringify(name)}`)
      expect([...ran].sort()).toEqual([...ids].sort())
      for (const id of ids) expect(await queue.get(task, id)).toMatchObject({ id, task: name })
    }
  })

  test('fails at once where it comes from somebody else, and holds nobody up', async () => {
    const others = new bull.Queue('foreign', { connection: redis })
    await others.add('job', { any: 'thing' }, { attempts: 5 })
    await using queue = bullmq({ url: server.url })
    const ran: unknown[] = []
    const errors: unknown[] = []
    const task = defineTask({ name: 'foreign', retry: { attempts: 5 }, run: (input: number) => void ran.push(input) })
    await using _worker = await queue.work([task], { onError: (error) => errors.push(error) })
    await queue.enqueue(task, 1)
    await eventually(() => ran.length === 1 && errors.length === 1, 'both')
    expect(String(errors[0])).toMatch(/envelope/)
    await eventually(async () => (await others.getFailedCount()) === 1, 'its end')
  })
})

describe('a worker of BullMQ', () => {
  test('takes a lease that is no whole number of milliseconds, or has no half', async () => {
    await using queue = bullmq({ url: server.url, leaseMs: 10_000.5, retentionMs: 86_400_000 / 7 })
    let ran = 0
    const task = defineTask({ name: 'fractions', run: () => void ran++ })
    await using _worker = await queue.work([task])
    await queue.enqueue(task, undefined)
    await eventually(() => ran === 1, 'the task')
    const line = new Line(
      module,
      await connect({ url: server.url }, lineOptions, forever),
      { ...common, leaseMs: 10_001 },
      () => {},
    )
    const backend = (await line.queue(task.name)).getBackend()
    // Otherwise the tasks of a worker that died would never run again.
    await backend.moveStalledJobsToWait().finally(() => line.end())
  })

  test('does not run again what it still runs, or has ended, after an outage that is longer than the lease', async () => {
    await using crashing = await startRedis()
    await using held = new AsyncDisposableStack()
    const name = 'outage'
    const openLine = async (deadline: Deadline): Promise<Line> =>
      new Line(module, await connect({ url: crashing.url }, lineOptions, deadline), common, () => {})
    const onLine: OnLine = async (deadline, work) => {
      const line = await openLine(deadline)
      return work(line).finally(() => line.end())
    }
    const plan = { bull: module, prefix: 'bull', task: name, concurrency: 2, onLine }
    const starts: string[] = []
    const ends: string[] = []
    const gates = { 'ends meanwhile': Promise.withResolvers<void>(), 'ends later': Promise.withResolvers<void>() }
    const perform: Perform = async ({ text, attempt }) => {
      const { id } = JSON.parse(text) as { id: keyof typeof gates }
      starts.push(`${id} ${attempt}`)
      await gates[id].promise
      const settled = (failure?: unknown): void => void ends.push(failure ? `${id}: ${failure}` : id)
      return { type: 'succeeded', output: '{}', delayMs: 0, settled }
    }
    const clients = await Promise.all([0, 1].map(() => connect({ url: crashing.url }, workerOptions, forever)))
    const [consumer, rival] = clients.map(
      (client) => new BullConsumer({ ...plan, client, perform }, { ...settings, leaseMs: 3000 }),
    ) as [BullConsumer, BullConsumer]
    for (const client of clients) held.defer(() => client.disconnect())
    for (const one of [consumer, rival]) held.defer(() => one.close())
    await consumer.start()
    const jobs = Object.keys(gates).map((id) => jobOf(name, id))
    await within(4000, (deadline) => onLine(deadline, (line) => line.send(jobs, deadline)))
    await eventually(() => starts.length === 2, 'both')
    await rival.start()
    // A check for dead workers has marked what runs.
    const check = new Redis(crashing.url).on('error', () => {})
    await eventually(async () => (await check.scard(`bull:${name}:stalled`)) === 2, 'the check')
    check.disconnect()
    await crashing.kill()
    gates['ends meanwhile'].resolve()
    await sleep(3500)
    await crashing.start()
    await eventually(() => ends.length === 1, 'the end of what ended meanwhile')
    // The rival looks twice for dead workers.
    await sleep(4500)
    expect(starts.sort()).toEqual(['ends later 1', 'ends meanwhile 1'])
    gates['ends later'].resolve()
    await eventually(() => ends.length === 2, 'the end of the other')
    expect(ends).toEqual(['ends meanwhile', 'ends later'])
  }, 60_000)

  test('goes on by itself after a failover that left it with a replica, without a warning', async () => {
    await using old = await startRedis()
    await using proxy = await startProxy(Number(new URL(old.url).port))
    const admin = new Redis(old.url)
    const warnings: unknown[] = []
    const warned = (warning: Error): void => void warnings.push(warning)
    process.on('warning', warned)
    const ran: number[] = []
    const gate = Promise.withResolvers<void>()
    const task = defineTask({
      name: 'failover',
      run: async (input: number) => {
        ran.push(input)
        if (input < 30) await gate.promise
      },
    })
    try {
      await using queue = bullmq({ url: `redis://127.0.0.1:${proxy.port}` })
      await using _worker = await queue.work([task], { concurrency: 30 })
      await queue.enqueueAll(Array.from({ length: 30 }, (_, input) => ({ task, input })))
      await eventually(() => ran.length === 30, 'all of them')
      await admin.replicaof('127.0.0.1', '1')
      proxy.target = Number(new URL(server.url).port)
      await expect(queue.enqueue(task, 30)).rejects.toMatchObject({ name: 'QueueError', message: /READONLY/ })
      // The old one answers all of these at once.
      gate.resolve()
      await queue.enqueue(task, 31)
      await eventually(() => ran.length === 31, 'the one of the new server', 20_000)
      expect(ran.at(-1)).toBe(31)
    } finally {
      process.off('warning', warned)
      admin.disconnect()
    }
    expect(warnings).toEqual([])
  })

  test('knows of an end whose answer was lost with the connection', async () => {
    await using proxy = await startProxy(Number(new URL(server.url).port))
    await using queue = bullmq({ url: `redis://127.0.0.1:${proxy.port}` })
    const events: TaskEvent[] = []
    const gate = Promise.withResolvers<void>()
    const task = defineTask({ name: 'answer lost', run: () => gate.promise })
    await using _worker = await queue.work([task], { observer: (event) => void events.push(event) })
    await queue.enqueue(task, undefined)
    await eventually(() => events.length === 1, 'its start')
    const lost = proxy.loseAnswer()
    gate.resolve()
    await lost
    await eventually(() => events.length === 2, 'its end')
    expect(events.map(({ type }) => type)).toEqual(['started', 'succeeded'])
  })

  test('gives up what it cannot tell a server that is down when it is closed, and lets the process end', async () => {
    await using down = await startRedis()
    const program = fileURLToPath(new URL('./_bullmq-closing.ts', import.meta.url))
    const child = spawn(process.execPath, [program, down.url], { stdio: ['pipe', 'pipe', 'pipe'] })
    let printed = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => void (printed += chunk))
    const exited = once(child, 'exit')
    await eventually(() => printed.includes('running'), 'two tasks', 20_000)
    await down.kill()
    child.stdin.end()
    const [code] = await within(20_000, exited).catch((error) => {
      child.kill('SIGKILL')
      throw new Error(`${error}: ${printed}`)
    })
    expect(code).toBe(0)
    expect(printed.split('\n').slice(1)).toEqual([
      'hanging abandoned: the worker reached its deadline',
      'ended abandoned: bullmq did not hear how it ended',
      'closed: hanging,ended',
      '',
    ])
  }, 60_000)

  test('keeps few of the events that BullMQ writes, as they hold the results', async () => {
    await using queue = bullmq({ url: server.url })
    let ran = 0
    const task = defineTask({ name: 'events', run: (_: number) => 'x'.repeat(10_000 + ran++) })
    await queue.enqueueAll(Array.from({ length: 400 }, (_, input) => ({ task, input })))
    await using _worker = await queue.work([task], { concurrency: 10 })
    await eventually(() => ran === 400, 'all of them', 20_000)
    expect(await redis.xlen('bull:events:events')).toBeLessThan(300)
  })
})

describe('schedules of BullMQ', () => {
  test('are left as they are where they are put again, with a tick that is due', async () => {
    await using queue = bullmq({ url: server.url })
    const events: TaskEvent[] = []
    const task = defineTask({ name: 'again', run: () => 'ticked' })
    await queue.schedule(task, '* * * * * *', undefined)
    const due = Number(await redis.zscore('bull:again:repeat', 'again'))
    await sleep(due - Date.now() + 1100)
    await queue.schedule(task, '* * * * * *', undefined)
    await using _worker = await queue.work([task], { observer: (event) => void events.push(event) })
    await eventually(() => events.some(({ type }) => type === 'succeeded'), 'the tick')
    await queue.unschedule(task)
    const id = events[0]?.task.id as string
    expect(id).toBe(`repeat:again:${due}`)
    await eventually(async () => (await queue.get(task, id))?.state === 'succeeded', 'its record')
    expect(await queue.get(task, id)).toMatchObject({ id, attempts: 1, result: 'ticked' })
  })

  test('refuses a day that never comes', async () => {
    await using queue = bullmq({ url: server.url })
    const task = defineTask({ name: 'never', run: () => {} })
    for (const cron of ['0 0 30 2 *', '0 0 31 2,4 *']) {
      await expect(queue.schedule(task, cron, undefined), cron).rejects.toMatchObject({ name: 'TypeError' })
    }
  })
})
