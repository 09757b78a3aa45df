import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest'
import { z } from 'zod'
import { type ConsumerOptions, cloudflare, type MessageLike, type QueueLike } from '../../adapters/queues/cloudflare.ts'
import { defineTask, NonRetryableError, type Task, type TaskEvent } from '../../src/index.ts'
import { takePrinted } from '../_printed.ts'
import { deferred } from '../_wrapped.ts'
import { type StartedWorker, startWorker } from './_cloudflare.ts'
import type { Addition, Log } from './_cloudflare-app.ts'

describe('in workerd', () => {
  let worker: StartedWorker

  beforeAll(async () => {
    worker = await startWorker('./_cloudflare-app.ts', { TASKS: 'tasks', DEAD: 'dead' }, ['tasks', 'dead'])
  })
  afterAll(() => worker[Symbol.asyncDispose]())

  const add = (...additions: Addition[]): Promise<string[]> => worker.json('/add', additions)
  const read = (): Promise<Log> => worker.json('/log')

  /** Waits for a log in which something holds, and gives that. */
  async function logWhen(holds: (log: Log) => boolean, what: string): Promise<Log> {
    const end = performance.now() + 20_000
    for (;;) {
      const log = await read()
      if (holds(log)) return log
      if (performance.now() > end) throw new Error(`still waiting after 20 s: ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const hasEnded = ({ events }: Log, id: string | undefined): boolean =>
    events.some(({ task, type }) => task.id === id && (type === 'succeeded' || type === 'failed'))
  const typesOf = ({ events }: Log, id: string | undefined, by: 'wrapper' | 'consumer'): string[] =>
    events.filter((event) => event.task.id === id && event.by === by).map(({ type }) => type)

  it('runs what a request has added, with its input, id, name and attempt', async () => {
    const [id] = await add({ task: 'record', input: { to: 'ada' }, options: { id: 'order 1' } })
    expect(id).toBe('order 1')
    const log = await logWhen((one) => hasEnded(one, id), 'the task')
    expect(log.runs.filter((run) => run.id === id)).toMatchObject([
      { task: 'record', input: { to: 'ada' }, id, attempt: 1 },
    ])
  })

  it('tells the observer of the wrapper that it was added, and that of the consumer the rest, with the trace', async () => {
    const [id] = await add({ task: 'record' })
    const log = await logWhen((one) => hasEnded(one, id), 'the task')
    expect(typesOf(log, id, 'wrapper')).toEqual(['added'])
    expect(typesOf(log, id, 'consumer')).toEqual(['started', 'succeeded'])
    const events = log.events.filter((event) => event.task.id === id)
    expect(events.every(({ queue }) => queue === 'cloudflare')).toBe(true)
    const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
    expect(events.filter(({ by }) => by === 'consumer').map((event) => event.trace)).toEqual([trace, trace])
  })

  it('enqueues nothing for a handler that throws', async () => {
    const thrown = await worker.json('/throw', [{ task: 'record', options: { id: 'thrown' } }])
    expect(thrown).toMatchObject({ message: 'meant to throw' })
    const [id] = await add({ task: 'record' })
    const log = await logWhen((one) => hasEnded(one, id), 'the next task')
    expect(typesOf(log, 'thrown', 'wrapper')).toEqual(['added', 'discarded'])
    expect(typesOf(log, 'thrown', 'consumer')).toEqual([])
  })

  it('brings strings of every kind back as they were: U+0000, lone surrogates, quotes, all planes', async () => {
    const input = { text: ['\u0000', 'a\u0000b', '\ud800', '\udc00x', '\u2028', '"\\', '😀', '\uffff'], '\u0000key': 1 }
    const [id] = await add({ task: 'record', input })
    const log = await logWhen((one) => hasEnded(one, id), 'the task')
    expect(log.runs.find((run) => run.id === id)?.input).toEqual(input)
  })

  it('refuses 200 kB in `tasks.add`, and takes nearly the limit', async () => {
    const refused = await worker.json('/add', [{ task: 'record', input: 'x'.repeat(200_000) }])
    expect(refused).toMatchObject({ name: 'TaskInputError', message: expect.stringContaining("'record'") })
    const input = 'x'.repeat(126_500)
    const [id] = await add({ task: 'record', input })
    const log = await logWhen((one) => hasEnded(one, id), 'the task')
    expect(log.runs.find((run) => run.id === id)?.input).toBe(input)
  })

  it('takes a hundred tasks of one request, or 250 kB', async () => {
    const hundred = await add(...Array.from({ length: 100 }, () => ({ task: 'record' })))
    const large = await add(...Array.from({ length: 2 }, () => ({ task: 'record', input: 'x'.repeat(125_000) })))
    await logWhen((log) => [...hundred, ...large].every((id) => hasEnded(log, id)), 'all of them')
  })

  it('takes none of more than that, and says so', async () => {
    const many = Array.from({ length: 101 }, (_, index) => ({
      task: 'record',
      options: { id: `one of too many ${index}` },
    }))
    expect(await worker.json('/add', many)).toMatchObject({
      name: 'QueueError',
      message: expect.stringContaining('101 tasks'),
    })
    const large = Array.from({ length: 3 }, () => ({ task: 'record', input: 'x'.repeat(100_000) }))
    expect(await worker.json('/add', large)).toMatchObject({ name: 'QueueError', message: /256000 bytes/ })
    const [id] = await add({ task: 'record' })
    const log = await logWhen((one) => hasEnded(one, id), 'the next task')
    expect(log.runs.filter((run) => run.id.startsWith('one of too many'))).toEqual([])
  })

  it('starts a delayed task when its delay is over, and others before', async () => {
    const started = Date.now()
    const [later, now] = await add({ task: 'record', options: { delayMs: 1100 } }, { task: 'record' })
    const log = await logWhen((one) => hasEnded(one, later), 'the delayed task')
    expect(hasEnded(log, now)).toBe(true)
    // Rounded up to seconds.
    expect((log.runs.find(({ id }) => id === later)?.at ?? 0) - started).toBeGreaterThan(1950)
  })

  it('tries a failing task again, as often as its retry says, with the number of the attempt', async () => {
    const [id] = await add({ task: 'flaky', input: 3 })
    const log = await logWhen((one) => hasEnded(one, id), 'its end')
    expect(log.runs.filter((run) => run.id === id).map(({ attempt }) => attempt)).toEqual([1, 2, 3])
    expect(typesOf(log, id, 'consumer')).toEqual([
      ...['started', 'retrying', 'started', 'retrying'],
      ...['started', 'succeeded'],
    ])
    expect(log.errors.filter((error) => error.id === id)).toEqual([])
  })

  it('waits between attempts as long as the backoff says', async () => {
    const [id] = await add({ task: 'patient' })
    const log = await logWhen((one) => hasEnded(one, id), 'its end')
    const [first = 0, second = 0] = log.runs.filter((run) => run.id === id).map(({ at }) => at)
    expect(second - first).toBeGreaterThan(1950)
  })

  it('sends a task that has failed to the dead letter queue, and tells onError once', async () => {
    const [id] = await add({ task: 'failing', input: { page: 1 } })
    const log = await logWhen(({ dead }) => dead.some((letter) => letter.id === id), 'the dead letter')
    expect(log.runs.filter((run) => run.id === id)).toHaveLength(2)
    expect(log.errors.filter((error) => error.id === id)).toEqual([
      { error: 'RangeError: out of paper', id, name: 'failing', attempt: 2 },
    ])
    expect(log.dead.find((letter) => letter.id === id)).toMatchObject({
      task: 'failing',
      id,
      input: '{"page":1}',
      attempts: 2,
      error: { name: 'RangeError', message: 'out of paper' },
    })
  })

  it('runs a dead letter that is sent back, with all its attempts', async () => {
    const [id] = await add({ task: 'failing', input: 'again' })
    const { dead } = await logWhen((log) => log.dead.some((letter) => letter.id === id), 'the dead letter')
    await worker.json('/send', JSON.stringify(dead.find((letter) => letter.id === id)))
    const log = await logWhen((one) => one.dead.filter((letter) => letter.id === id).length === 2, 'it again')
    expect(log.runs.filter((run) => run.id === id).map(({ attempt }) => attempt)).toEqual([1, 2, 1, 2])
  })

  it('runs the messages of a batch together, and one that fails does not make the others run again', async () => {
    const { batches } = await read()
    const ids = await add(
      ...Array.from({ length: 10 }, (_, index) => ({ task: index === 4 ? 'failing' : 'record', input: 'batch' })),
    )
    const log = await logWhen((one) => ids.every((id) => hasEnded(one, id)), 'all of them')
    expect(log.batches[batches.length]).toBe(10)
    const runs = log.runs.filter(({ input }) => input === 'batch')
    expect(ids.map((id) => runs.filter((run) => run.id === id).length)).toEqual([1, 1, 1, 1, 2, 1, 1, 1, 1, 1])
    expect(Math.max(...runs.map(({ together }) => together))).toBe(10)
  })

  it('acknowledges or retries each message for itself', async () => {
    const messages = [
      { task: 'record', v: 1, id: 'acknowledged' },
      { task: 'patient', v: 1, id: 'retried' },
      { task: 'nobody', v: 1, id: 'not known' },
      { some: 'message of another producer' },
    ].map((body, index) => ({
      id: String(index),
      timestamp: new Date(),
      attempts: index === 2 ? 3 : 1,
      body: JSON.stringify(body),
    }))
    const deliver = await worker.miniflare.getWorker()
    expect(await deliver.queue('tasks', messages)).toMatchObject({
      outcome: 'ok',
      ackAll: false,
      retryBatch: { retry: false },
      explicitAcks: ['0'],
      retryMessages: expect.toSatisfy((retries: { msgId: string; delaySeconds: number }[]) => {
        const delays = Object.fromEntries(retries.map(({ msgId, delaySeconds }) => [msgId, delaySeconds]))
        expect(delays).toEqual({ 1: 2, 2: 40, 3: 10 })
        return true
      }),
    })
    const { errors } = await read()
    expect(errors).toContainEqual({
      error: expect.stringContaining("Cannot run the task 'nobody' as this consumer was not given it"),
      id: 'not known',
      name: 'nobody',
      attempt: 3,
    })
    expect(errors).toContainEqual({
      error: expect.stringContaining('that this package did not send'),
      id: '3',
      name: 'unknown',
      attempt: 1,
    })
  })

  it('keeps a task that it was not given until a consumer knows it', async () => {
    const [id] = await add({ task: 'late', input: 'kept' })
    await logWhen(({ errors }) => errors.some((error) => error.id === id), 'its report')
    await worker.json('/learn')
    const log = await logWhen((one) => hasEnded(one, id), 'its end')
    expect(log.runs.filter((run) => run.id === id)).toMatchObject([{ task: 'late', input: 'kept' }])
  })

  it('prints nothing, and leaves no promise behind', () => {
    expect(worker.printed).toEqual([])
  })
})

/** A binding that keeps what it is sent. */
function binding(): QueueLike & { sent: { body: any; options: unknown }[][] } {
  const sent: { body: any; options: unknown }[][] = []
  const keep = async (messages: { body: string; [option: string]: unknown }[]): Promise<void> => {
    sent.push(messages.map(({ body, ...options }) => ({ body: JSON.parse(body), options })))
  }
  return {
    sent,
    send: (body, options) => keep([{ body, ...options }]),
    sendBatch: (messages) => keep([...messages]),
  }
}

/** A message that keeps what was said of it. */
function message(body: unknown, attempts = 1): MessageLike & { said: unknown[] } {
  const said: unknown[] = []
  return {
    id: 'message',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    attempts,
    said,
    ack: () => void said.push('ack'),
    retry: (options) => void said.push(options),
  }
}

const record = defineTask({ name: 'record', run: () => {} })
const failing = defineTask({
  name: 'failing',
  run: () => {
    throw new Error('no')
  },
})
const letter = (task: string, more: object = {}): object => ({ task, v: 1, id: 'x', ...more })

describe('sending', () => {
  test('needs a binding, or a function that returns one', () => {
    expect(() => cloudflare({ queue: undefined as never })).toThrow(
      "Cannot create the Cloudflare queue as 'queue' must be a Queue binding, or a function that returns one: current value is undefined",
    )
    expect(() => cloudflare({ queue: binding(), deadLetter: 'dead' as never })).toThrow("'deadLetter' must be")
    expect(() => cloudflare({ queue: binding(), onError: 1 as never })).toThrow("'onError' must be a function")
    expect(() => cloudflare({ queue: binding(), timeoutMs: 1 })).toThrow("'timeoutMs' must be")
  })

  test('asks a function for the binding at each call, and says where to look for one that is not there', async () => {
    const found: QueueLike[] = []
    const queue = cloudflare({ queue: () => found[0] as QueueLike })
    const missing = { name: 'QueueError', message: expect.stringContaining("'queue' gave undefined: is it among") }
    await expect(queue.ready()).rejects.toMatchObject(missing)
    await expect(queue.enqueue(record, undefined)).rejects.toMatchObject(missing)
    const later = binding()
    found.push(later)
    await queue.ready()
    expect(await queue.enqueue(record, undefined, { id: 'x' })).toEqual({ id: 'x' })
    expect(later.sent).toMatchObject([[{ body: { task: 'record', v: 1, id: 'x' } }]])
  })

  test('calls the method on the binding, as that is bound', async () => {
    class Binding {
      #sent = 0
      async send(): Promise<void> {}
      async sendBatch(): Promise<void> {
        this.#sent++
      }
      get sent(): number {
        return this.#sent
      }
    }
    const bound = new Binding()
    await cloudflare({ queue: bound }).enqueue(record, undefined)
    expect(bound.sent).toBe(1)
  })

  test('sends all tasks of a call at once, with a delay only where there is one', async () => {
    const target = binding()
    const queue = cloudflare({ queue: target })
    await queue.enqueueAll([
      { task: record, input: undefined },
      { task: record, input: undefined, options: { delayMs: 86_400_000 } },
    ])
    expect(target.sent).toMatchObject([
      [{ options: { contentType: 'text' } }, { options: { contentType: 'text', delaySeconds: 86_400 } }],
    ])
    expect(target.sent[0]?.[0]?.options).not.toHaveProperty('delaySeconds')
    await expect(queue.enqueue(record, undefined, { delayMs: 86_400_001 })).rejects.toThrow("'delayMs' must be")
  })

  test('a name may have any characters', async () => {
    const target = binding()
    const task = defineTask({ name: '"\n\u0000é\ud800', run: () => {} })
    await cloudflare({ queue: target }).enqueue(task, undefined)
    const [sent] = target.sent.flat()
    expect(sent?.body.task).toBe(task.name)
    const ran = message(sent?.body)
    await cloudflare({ queue: target }).consumer([task])({ messages: [ran] })
    expect(ran.said).toEqual(['ack'])
  })

  test('a binding that does not answer in time, refuses or is gone ends in a QueueError with its cause', async () => {
    const hanging = cloudflare({
      queue: { ...binding(), sendBatch: () => new Promise(() => {}) },
      timeoutMs: 100,
    })
    await expect(hanging.enqueue(record, undefined)).rejects.toMatchObject({
      name: 'QueueError',
      cause: { name: 'TimeoutError' },
    })
    const cause = new Error('Queue sendBatch failed: Too Many Requests')
    const refusing = cloudflare({ queue: { ...binding(), sendBatch: () => Promise.reject(cause) } })
    await expect(refusing.enqueue(record, undefined)).rejects.toMatchObject({ name: 'QueueError', cause })
  })

  test('says of what it cannot do why, and what to do', async () => {
    const queue = cloudflare({ queue: binding() })
    await expect(queue.get(record, 'x')).rejects.toThrow(/KV, D1/)
    await expect(queue.schedule(record, '* * * * *', undefined)).rejects.toThrow(/schedules\/workers/)
    await expect(queue.unschedule(record)).rejects.toThrow(/schedules\/workers/)
    await expect(queue.work([record])).rejects.toThrow(/queue\.consumer\(tasks\)/)
    await expect(queue.enqueue(record, undefined, { priority: 1 })).rejects.toThrow(/second queue/)
    expect(Object.keys(queue.lacks).sort()).toEqual([
      ...['get', 'idempotency', 'priority', 'schedule', 'transaction', 'work'],
    ])
  })
})

describe('consuming', () => {
  /** Delivers messages to a consumer of these tasks. */
  async function deliver(
    tasks: Task[],
    messages: MessageLike[],
    {
      deadLetter,
      target = binding(),
      ...options
    }: ConsumerOptions & { deadLetter?: QueueLike; target?: QueueLike } = {},
  ) {
    const events: TaskEvent[] = []
    const errors: { error: any; id: string; name: string; attempt: number }[] = []
    const queue = cloudflare({ queue: target, deadLetter, timeoutMs: 200 })
    const consume = queue.consumer(tasks, {
      observer: (event) => void events.push(event),
      onError: (error, task) => void errors.push({ error, ...task }),
      ...options,
    })
    await consume({ messages }, {}, {})
    return { events, types: events.map(({ type }) => type), errors }
  }

  test('refuses tasks and options that are not what they must be', () => {
    const queue = cloudflare({ queue: binding() })
    expect(() => queue.consumer([])).toThrow("'tasks' must be an array of defined tasks")
    expect(() => queue.consumer([record, record])).toThrow("two of the tasks are named 'record'")
    expect(() => queue.consumer([(() => {}) as never])).toThrow('a task made by defineTask')
    expect(() => queue.consumer([record], { concurrency: 0 })).toThrow("'concurrency' must be a positive integer")
    expect(() => queue.consumer([record], { batchTimeoutMs: 0 })).toThrow("'batchTimeoutMs' must be")
    expect(() => queue.consumer([record], { timeoutMs: 0 })).toThrow("'timeoutMs' must be")
    expect(() => queue.consumer([record], [] as never)).toThrow("'options' must be an object")
    expect(() => queue.consumer([record], { retries: 3 } as never)).toThrow("there is no option 'retries'")
  })

  test('runs at most ten messages at once, or as many as concurrency says', async () => {
    let running = 0
    let most = 0
    const task = defineTask({
      name: 'slow',
      async run() {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, 5))
        running--
      },
    })
    const messages = Array.from({ length: 25 }, () => message(letter('slow')))
    await deliver([task], messages)
    expect(most).toBe(10)
    expect(messages.every(({ said }) => said.length === 1 && said[0] === 'ack')).toBe(true)
    most = 0
    await deliver(
      [task],
      Array.from({ length: 4 }, () => message(letter('slow'))),
      { concurrency: 2 },
    )
    expect(most).toBe(2)
  })

  test('a message is retried no later than the platform allows', async () => {
    const task = defineTask({
      name: 'yearly',
      retry: { attempts: 2, delayMs: 2 ** 31 - 1, maxDelayMs: 2 ** 31 - 1, jitter: 0 },
      run: () => {
        throw new Error('no')
      },
    })
    const one = message(letter('yearly'))
    await deliver([task], [one])
    expect(one.said).toEqual([{ delaySeconds: 86_400 }])
  })

  test('a task that need not be tried again, or whose input no longer fits, has failed at once', async () => {
    const final = defineTask({
      name: 'final',
      retry: { attempts: 5 },
      run: () => {
        throw new NonRetryableError('never')
      },
    })
    const picky = defineTask({
      name: 'picky',
      input: z.object({ to: z.email() }),
      retry: { attempts: 5 },
      run: () => {},
    })
    const messages = [
      message(letter('final')),
      message(letter('picky', { input: '{"to":"ada"}' })),
      message({ ...letter('record'), v: 2 }),
    ]
    const { errors } = await deliver([final, picky, record], messages)
    expect(messages.map(({ said }) => said)).toEqual([['ack'], ['ack'], ['ack']])
    expect(errors.map(({ name, error }) => [name, error.name])).toEqual(
      expect.arrayContaining([
        ['final', 'NonRetryableError'],
        ['picky', 'TaskInputError'],
        ['record', 'Error'],
      ]),
    )
  })

  test('a failed task stays in the queue while the dead letter queue does not take it, which is reported', async () => {
    const target = binding()
    const down = { ...target, send: () => Promise.reject(new Error('down')) }
    const one = message(letter('failing'))
    const { types, errors } = await deliver([failing], [one], { deadLetter: down })
    expect(one.said).toEqual([{ delaySeconds: 10 }])
    expect(types).toEqual(['started', 'abandoned'])
    expect(errors).toMatchObject([{ error: { name: 'QueueError', cause: { message: 'down' } }, name: 'failing' }])
    const hanging = { ...target, send: () => new Promise(() => {}) }
    const other = message(letter('failing'))
    await deliver([failing], [other], { deadLetter: hanging })
    expect(other.said).toEqual([{ delaySeconds: 10 }])
  })

  test('a dead letter is sent before the message is acknowledged, and without its error where that is too long', async () => {
    const order: unknown[] = []
    const one = message(letter('failing', { input: JSON.stringify('x'.repeat(126_000)) }))
    const deadLetter = binding()
    const verbose = defineTask({
      name: 'failing',
      run: () => {
        throw new Error('no'.repeat(2000))
      },
    })
    await deliver([verbose], [{ ...one, ack: () => void order.push(deadLetter.sent.length) }], { deadLetter })
    expect(order).toEqual([1])
    expect(deadLetter.sent[0]?.[0]?.body).toEqual(JSON.parse(String(one.body)))
  })

  test('what onError starts is waited for, as nothing lives on when the handler has ended; but not for ever', async () => {
    const gate = deferred()
    let isReported = false
    const onError = async (): Promise<void> => {
      await gate.promise
      isReported = true
    }
    setTimeout(gate.resolve, 50)
    await deliver([failing], [message(letter('failing'))], { onError })
    expect(isReported).toBe(true)
    await deliver([failing], [message(letter('failing'))], { onError: () => new Promise(() => {}) })
  })

  test('an onError that throws or rejects is printed, and costs nothing', async () => {
    const thrown = message(letter('failing'))
    const rejected = message('not ours')
    await deliver([failing], [thrown], {
      onError: () => {
        throw new Error('thrown')
      },
    })
    await deliver([failing], [rejected], { onError: () => Promise.reject(new Error('rejected')) })
    expect(takePrinted()).toEqual([
      expect.stringContaining('onError failed: Error: thrown'),
      expect.stringContaining('onError failed: Error: rejected'),
    ])
    expect([thrown.said, rejected.said]).toEqual([['ack'], [{ delaySeconds: 10 }]])
  })

  test('without an onError the one of the queue is told, or the failure is printed', async () => {
    const onError = vi.fn()
    await cloudflare({ queue: binding(), onError }).consumer([failing])({ messages: [message(letter('failing'))] })
    expect(onError).toHaveBeenCalledExactlyOnceWith(new Error('no'), { id: 'x', name: 'failing', attempt: 1 })
    await cloudflare({ queue: binding() }).consumer([failing])({ messages: [message(letter('failing'))] })
    expect(takePrinted()).toEqual([expect.stringContaining("task 'failing' failed (id x, attempt 1)")])
  })

  test('a task that nobody knew for many deliveries gets its attempts all the same, and one that kills its workers ends', async () => {
    const target = binding()
    const onlyOnce = message(letter('record', { input: '1' }), 5)
    const { types } = await deliver([record], [onlyOnce], { target })
    // It is sent once more, where its deliveries are counted anew.
    expect([onlyOnce.said, types]).toEqual([['ack'], []])
    const [again] = target.sent.flat()
    expect(again?.body).toEqual({ ...letter('record', { input: '1' }), again: true })
    const first = message(again?.body, 1)
    expect((await deliver([record], [first])).types).toEqual(['started', 'succeeded'])
    const fifth = message(again?.body, 5)
    const { errors } = await deliver([record], [fifth])
    expect(errors).toMatchObject([{ error: { message: expect.stringContaining('its workers died') } }])
    expect(fifth.said).toEqual(['ack'])
  })

  test('when it cannot be sent once more it is retried', async () => {
    const target = { ...binding(), send: () => Promise.reject(new Error('down')) }
    const one = message(letter('record'), 5)
    const { errors } = await deliver([record], [one], { target })
    expect(one.said).toEqual([{ delaySeconds: 160 }])
    expect(errors).toMatchObject([{ error: { message: 'down' } }])
  })

  test('an unknown task is retried later and later, up to an hour', async () => {
    const delays = await Promise.all(
      [1, 2, 9, 10, 99].map(async (attempts) => {
        const one = message(letter('nobody'), attempts)
        await deliver([record], [one])
        return one.said
      }),
    )
    expect(delays).toEqual([10, 20, 2560, 3600, 3600].map((delaySeconds) => [{ delaySeconds }]))
  })

  test('a batch ends in time: what is done stays done, what still runs is aborted, and that and the rest are retried', async () => {
    let reason: unknown
    const hanging = defineTask({
      name: 'hanging',
      run: (_input, { signal }) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
        })
        return new Promise(() => {})
      },
    })
    const messages = ['record', 'hanging', 'hanging', 'record'].map((task) => message(letter(task)))
    const { types } = await deliver([record, hanging], messages, { concurrency: 2, batchTimeoutMs: 50 })
    const retried = [{ delaySeconds: 0 }]
    expect(messages.map(({ said }) => said)).toEqual([['ack'], retried, retried, retried])
    expect(types.filter((type) => type === 'abandoned')).toHaveLength(2)
    expect(reason).toMatchObject({ name: 'AbortError' })
  })

  test('an empty batch is nothing to do', async () => {
    expect(await deliver([record], [])).toEqual({ events: [], types: [], errors: [] })
  })
})
