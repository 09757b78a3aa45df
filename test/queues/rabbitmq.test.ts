import { setTimeout as sleep } from 'node:timers/promises'
import * as amqp from 'amqplib'
import { defineTask, type TaskEvent, type TaskQueue } from 'background-tasks'
import { rabbitmq } from 'background-tasks/queues/rabbitmq'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AmqpLike } from '../../adapters/queues/_rabbitmq-amqp.ts'
import { Connections } from '../../adapters/queues/_rabbitmq-connection.ts'
import { Layout } from '../../adapters/queues/_rabbitmq-layout.ts'
import { describeQueue, eventually } from '../conformance/queue.ts'
import { Example } from '../examples/_example.ts'
import { startProxy } from './_proxy.ts'
import { type RabbitMQServer, startRabbitMQ } from './_servers.ts'

// What the engine uses of amqplib is there.
amqp satisfies AmqpLike

let server: RabbitMQServer
beforeAll(async () => {
  server = await startRabbitMQ()
})
afterAll(() => server[Symbol.asyncDispose]())

describeQueue({
  kind: 'rabbitmq',
  url: () => server.url,
  server: () => server,
  saved: (task) => server.saved(`background-tasks.task.${task}`),
  lacks: rabbitmq({ url: 'amqp://localhost' }).lacks,
})

describe('what is special to RabbitMQ', () => {
  let names = 0
  /** A queue whose names nobody else has. */
  const fresh = (options: object = {}): { queue: TaskQueue; prefix: string } & AsyncDisposable => {
    const prefix = `special-${names++}.`
    const queue = rabbitmq({ url: server.url, prefix, ...options })
    return { queue, prefix, [Symbol.asyncDispose]: () => queue.close() }
  }

  /** What a client sees that knows nothing of this library. */
  const client = async () => {
    const connection = await amqp.connect(server.url)
    connection.on('error', () => {})
    const open = async () => {
      const channel = await connection.createConfirmChannel()
      channel.on('error', () => {})
      return channel
    }
    const channel = await open()
    return {
      channel,
      count: async (queue: string) => (await channel.checkQueue(queue)).messageCount,
      has: async (queue: string) =>
        (await open()).checkQueue(queue).then(
          () => true,
          () => false,
        ),
      [Symbol.asyncDispose]: () => connection.close(),
    }
  }

  const recording = (name: string, run: (input: string) => unknown = () => {}, more: object = {}) => {
    const ran: { input: string; attempt: number; at: number }[] = []
    const task = defineTask({
      name,
      ...more,
      run: (input: string, { attempt }) => {
        ran.push({ input, attempt, at: performance.now() })
        return run(input)
      },
    })
    return { task, ran, inputs: () => ran.map(({ input }) => input).sort() }
  }

  const fail = (): never => {
    throw new Error('no')
  }

  test('refuses a bad url or prefix', () => {
    expect(() => rabbitmq({ url: 'http://localhost' })).toThrow(
      `Cannot create the rabbitmq queue as 'url' must be a URL with amqp:// or amqps://: current value is "http://localhost"`,
    )
    expect(() => rabbitmq({ url: 'amqp://localhost', prefix: 1 as never })).toThrow(/'prefix' must be a string/)
  })

  test('says what to install where amqplib is not there', async () => {
    await using bare = await Example.empty()
    await bare.write('package.json', { type: 'module', dependencies: { 'background-tasks': '*' } })
    await bare.install()
    await bare.write(
      'main.js',
      `import { rabbitmq } from 'background-tasks/queues/rabbitmq'
       await rabbitmq({ url: 'amqp://localhost' }).ready().catch(({ name, message }) => console.log(name, message))`,
    )
    expect(await bare.run('node', 'main.js')).toBe(
      "QueueError Cannot open the queue as the package 'amqplib' is not there: npm install amqplib\n",
    )
  })

  test('refuses a task whose queue would have too long a name', async () => {
    await using given = fresh()
    const { task } = recording('é'.repeat(130))
    const refused = { name: 'TypeError', message: expect.stringContaining('at most 255 bytes') }
    await expect(given.queue.enqueue(task, 'a')).rejects.toMatchObject(refused)
    await expect(given.queue.work([task])).rejects.toMatchObject(refused)
  })

  test('says why it was refused: by a server that knows no such user', async () => {
    const url = new URL(server.url)
    url.password = 'wrong'
    await using given = fresh({ url: url.href })
    await expect(given.queue.ready()).rejects.toMatchObject({
      name: 'QueueError',
      message: expect.stringMatching(/^(?!.*wrong).*ACCESS[-_]REFUSED/),
    })
  })

  test('moves a task that failed to the queue of failed ones, as it was enqueued', async () => {
    await using given = fresh()
    await using rabbit = await client()
    const { task, ran } = recording('failing', fail, { retry: { attempts: 2, delayMs: 1 } })
    const errors: unknown[] = []
    await using _worker = await given.queue.work([task], { onError: (error) => errors.push(error) })
    const { id } = await given.queue.enqueue(task, 'hello')
    await eventually(() => errors.length === 1, 'its end')
    expect(ran.map(({ attempt }) => attempt)).toEqual([1, 2])
    await eventually(async () => (await rabbit.count(`${given.prefix}failed`)) === 1, 'it to be moved')
    const message = await rabbit.channel.get(`${given.prefix}failed`, { noAck: true })
    if (!message) throw new Error('it is gone')
    expect(JSON.parse(String(message.content))).toMatchObject({ v: 1, id, input: '"hello"' })
    expect(message.properties.headers?.['x-death']?.[0]).toMatchObject({
      queue: `${given.prefix}task.failing`,
      reason: 'rejected',
    })
    expect(await rabbit.count(`${given.prefix}task.failing`)).toBe(0)
  })

  test('works where others keep what failed for another time', async () => {
    await using given = fresh()
    await given.queue.enqueue(recording('first').task, 'a')
    await using other = fresh({ prefix: given.prefix, retentionMs: 5000 })
    const { task, ran } = recording('second')
    await using _worker = await other.queue.work([task])
    await other.queue.enqueue(task, 'b')
    await eventually(() => ran.length === 1, 'the task')
  })

  test('keeps what failed for a time that is no whole number of milliseconds', async () => {
    await using given = fresh({ retentionMs: 86_400_000 / 7, leaseMs: 10_000.5, timeoutMs: 3999.5 })
    await using rabbit = await client()
    const errors: unknown[] = []
    const { task } = recording('fractions', fail)
    await using _worker = await given.queue.work([task], { onError: (error) => errors.push(error) })
    await given.queue.enqueue(task, 'a')
    await eventually(() => errors.length === 1, 'its end')
    await eventually(async () => (await rabbit.count(`${given.prefix}failed`)) === 1, 'it to be moved')
  })

  test('does not go on without the queue of failed ones where the server refuses that', async () => {
    const connections = new Connections(async () => amqp, server.url, { timeoutMs: 4000, leaseMs: 10_000 })
    const connection = await connections.open(async (opened) => opened)
    try {
      const declared = new Layout('refused.', 0.5).declareTask(connection, 'refused.task.a')
      await expect(declared).rejects.toThrow(/invalid arg 'x-message-ttl'/)
    } finally {
      await connections.close()
    }
  })

  test('reports what is no job of ours as failed, and keeps it', async () => {
    await using given = fresh()
    await using rabbit = await client()
    const { task, ran } = recording('foreign', () => {}, { retry: { attempts: 3 } })
    const errors: unknown[] = []
    await using _worker = await given.queue.work([task], { onError: (error) => errors.push(error) })
    for (const type of [undefined, 'background-tasks.batch']) {
      rabbit.channel.sendToQueue(`${given.prefix}task.foreign`, Buffer.from('{"a":1}'), { ...(type && { type }) })
    }
    await eventually(() => errors.length === 2, 'their ends')
    expect(String(errors[0])).toContain('version 1')
    await eventually(async () => (await rabbit.count(`${given.prefix}failed`)) === 2, 'them to be moved')
    await given.queue.enqueue(task, 'ours')
    await eventually(() => ran.length === 1, 'one of ours')
  })

  test('takes all jobs of a task as one message, so that there are all or none', async () => {
    await using given = fresh()
    await using rabbit = await client()
    const { task, ran, inputs } = recording('batch')
    const other = recording('other')
    const started = performance.now()
    await given.queue.enqueueAll([
      ...['a', 'b', 'c'].map((input) => ({ task, input })),
      { task, input: 'later', options: { delayMs: 1000 } },
      { task: other.task, input: 'd' },
    ])
    expect(await rabbit.count(`${given.prefix}task.batch`)).toBe(1)
    await using _worker = await given.queue.work([task, other.task], { concurrency: 2 })
    await eventually(() => ran.length + other.ran.length === 5, 'all of them')
    expect(inputs()).toEqual(['a', 'b', 'c', 'later'])
    expect(ran.every(({ attempt }) => attempt === 1)).toBe(true)
    expect((ran.find(({ input }) => input === 'later')?.at ?? 0) - started).toBeGreaterThan(990)
  })

  test('makes a delay of several queues, which all tasks share', async () => {
    await using given = fresh()
    await using rabbit = await client()
    const tasks = [recording('one'), recording('two')]
    await using _worker = await given.queue.work(tasks.map(({ task }) => task))
    const started = performance.now()
    for (const { task } of tasks) await given.queue.enqueue(task, 'later', { delayMs: 650 })
    await eventually(() => tasks.every(({ ran }) => ran.length === 1), 'both')
    for (const { ran } of tasks) {
      expect((ran[0]?.at ?? 0) - started).toBeGreaterThan(640)
      expect(ran[0]?.attempt).toBe(1)
    }
    // The shorter ones make up the rest.
    expect(await rabbit.has(`${given.prefix}delay.400`)).toBe(true)
    expect(await rabbit.has(`${given.prefix}delay.800`)).toBe(false)
  })

  test('refuses a job whose queue was deleted behind its back, and has it again for the next', async () => {
    await using given = fresh()
    await using rabbit = await client()
    const { task, inputs } = recording('deleted')
    await given.queue.enqueue(task, 'lost')
    await rabbit.channel.deleteQueue(`${given.prefix}task.deleted`)
    await expect(given.queue.enqueue(task, 'refused')).rejects.toMatchObject({
      name: 'QueueError',
      message: expect.stringContaining(`there is no queue '${given.prefix}task.deleted'`),
    })
    await given.queue.enqueue(task, 'taken')
    await using _worker = await given.queue.work([task])
    await eventually(() => inputs().length > 0, 'the task')
    expect(inputs()).toEqual(['taken'])
  })

  test('has the queue again when it is deleted under a worker, which goes on', async () => {
    await using given = fresh()
    await using rabbit = await client()
    const { task, inputs } = recording('under a worker')
    const name = `${given.prefix}task.under a worker`
    await using _worker = await given.queue.work([task])
    await rabbit.channel.deleteQueue(name)
    await eventually(() => rabbit.has(name), 'the queue')
    await given.queue.enqueue(task, 'a')
    await eventually(() => inputs().length === 1, 'the task')
  })

  test('knows the end of what ran while the server was restarted, without running it twice, and keeps a delay', async () => {
    await using given = fresh()
    const gates = { meanwhile: Promise.withResolvers<void>(), afterwards: Promise.withResolvers<void>() }
    const { task, ran, inputs } = recording('restarted', (input) => gates[input as keyof typeof gates]?.promise)
    const events: TaskEvent[] = []
    const observer = (event: TaskEvent): void => void events.push(event)
    await using _worker = await given.queue.work([task], { concurrency: 3, observer })
    for (const input of Object.keys(gates)) await given.queue.enqueue(task, input)
    await given.queue.enqueue(task, 'delayed', { delayMs: 1600 })
    await eventually(() => ran.length === 2, 'both to run')
    await server.stop()
    gates.meanwhile.resolve()
    await server.start()
    await eventually(() => ran.some(({ input }) => input === 'delayed'), 'the delayed one', 20_000)
    gates.afterwards.resolve()
    const types = () => events.map(({ type }) => type).sort()
    await eventually(() => types().length === 6, 'their ends')
    expect(types()).toEqual([...Array(3).fill('started'), ...Array(3).fill('succeeded')])
    expect(inputs()).toEqual(['afterwards', 'delayed', 'meanwhile'])
    await eventually(async () => {
      await using rabbit = await client()
      return (await rabbit.count(`${given.prefix}task.restarted`)) === 0
    }, 'nothing to be left')
  }, 60_000)

  test('is closed in time while the server is silent, and leaves no connection open', async () => {
    const url = new URL(server.url)
    await using proxy = await startProxy(Number(url.port))
    url.port = `${proxy.port}`
    await using given = fresh({ url: url.href, timeoutMs: 1000 })
    const { task, ran } = recording('closed', () => new Promise(() => {}))
    const worker = await given.queue.work([task])
    await given.queue.enqueue(task, 'a')
    await eventually(() => ran.length === 1, 'its start')
    expect(proxy.clients).toBe(2)
    proxy.isSilent = true
    const started = performance.now()
    expect(await worker.close({ timeoutMs: 100 })).toMatchObject({ abandoned: [{ name: 'closed' }] })
    await given.queue.close()
    expect(performance.now() - started).toBeLessThan(4000)
    await eventually(() => proxy.clients === 0, 'its connections to end')
  })

  test('has just those jobs whose call did not reject, also where the queue was closed meanwhile', async () => {
    await using given = fresh()
    await using rabbit = await client()
    const { task } = recording('closing')
    let taken = 0
    for (let round = 0; round < 20; round++) {
      const closing = rabbitmq({ url: server.url, prefix: given.prefix })
      await closing.ready()
      const calls = [1, 2, 3].map((n) => closing.enqueue(task, `${n}`))
      // By then the server has none, some or all of them.
      await sleep(round / 2)
      await closing.close()
      const outcomes = await Promise.allSettled(calls)
      taken += outcomes.filter(({ status }) => status === 'fulfilled').length
      expect(await rabbit.count(`${given.prefix}task.closing`)).toBe(taken)
    }
    expect(taken).toBe(60)
  }, 30_000)

  test('runs a task again elsewhere whose worker fell silent, which goes on when it is heard again', async () => {
    const url = new URL(server.url)
    await using proxy = await startProxy(Number(url.port))
    url.port = `${proxy.port}`
    await using silent = fresh({ url: url.href, timeoutMs: 2000 })
    await using other = fresh({ prefix: silent.prefix })
    const seen: [where: string, input: string, attempt: number][] = []
    const gate = Promise.withResolvers<void>()
    const here = (where: string, wait?: Promise<void>) =>
      defineTask({
        name: 'silent',
        run: async (input: string, { attempt }) => {
          seen.push([where, input, attempt])
          await wait
        },
      })
    await using rabbit = await client()
    await using first = await silent.queue.work([here('silent', gate.promise)])
    await other.queue.enqueue(here('other'), 'a')
    await eventually(() => seen.length === 1, 'its start')
    proxy.isSilent = true
    const second = await other.queue.work([here('other')])
    await eventually(() => seen.length === 2, 'its start elsewhere', 30_000)
    await expect(silent.queue.enqueue(here('silent'), 'b')).rejects.toMatchObject({ name: 'QueueError' })
    await second.close()
    proxy.isSilent = false
    await other.queue.enqueue(here('other'), 'c')
    await eventually(
      async () => (await rabbit.count(`${silent.prefix}task.silent`)) === 0,
      'the worker to go on',
      15_000,
    )
    // It has the next one, but still runs the first.
    expect(seen).toEqual([
      ['silent', 'a', 1],
      ['other', 'a', 2],
    ])
    gate.resolve()
    await eventually(() => seen.length === 3, 'the next one')
    expect(seen[2]).toEqual(['silent', 'c', 1])
    // What it ran at first is somebody else's by now.
    expect(await first.close()).toMatchObject({ abandoned: [{ name: 'silent' }] })
  }, 90_000)
})
