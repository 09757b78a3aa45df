import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import {
  type BackgroundTasks,
  type BackgroundTasksOptions,
  createBackgroundTasks,
  defineTask,
  QueueError,
  type QueueItem,
  type TaskEvent,
  type TaskQueue,
  withBackgroundTasks,
} from 'background-tasks'
import { backgroundTasks } from 'background-tasks/hono'
import { createTasksFor } from 'background-tasks/node'
import { memory } from 'background-tasks/queues/memory'
import { Hono } from 'hono'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { takePrinted } from './_printed.ts'
import { listening, until } from './_server.ts'

const mail = defineTask({ name: 'mail', input: z.object({ to: z.string() }), run: () => {} })
const audit = defineTask({ name: 'audit', run: (_line: string) => {} })
// Of each test, as the list of a request is kept until it is over.
let request: Request
beforeEach(() => {
  request = new Request('http://localhost/')
})

/** A queue that takes what it is given when it is told to, and what it was given. */
function gatedQueue() {
  const taken: QueueItem[][] = []
  const waiting: { resolve(): void; reject(error: unknown): void }[] = []
  const real = memory()
  const queue: TaskQueue = Object.create(real, {
    name: { value: 'gated' },
    prepare: { value: (item: QueueItem) => real.prepare?.(item) },
    enqueueAll: {
      value: (items: QueueItem[]) => {
        taken.push(items)
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        waiting.push({ resolve, reject })
        return promise.then(() => items.map(({ options }) => ({ id: options?.id as string })))
      },
    },
  })
  return { queue, taken, waiting, names: () => taken.map((items) => items.map(({ task }) => task.name)) }
}

/** One that takes everything, or nothing, at once. */
function plainQueue(failure?: unknown) {
  const taken: QueueItem[] = []
  const queue = {
    name: 'plain',
    enqueueAll: async (items: QueueItem[]) => {
      if (failure) throw failure
      taken.push(...items)
      return items.map(({ options }) => ({ id: options?.id as string }))
    },
  } as unknown as TaskQueue
  return { queue, taken }
}

const down = (): QueueError => new QueueError('the engine is down')

/** What an observer saw, as `type name`. */
function watched() {
  const events: TaskEvent[] = []
  return {
    events,
    observer: (event: TaskEvent) => void events.push(event),
    seen: () => events.map(({ type, task }) => `${type} ${task.name}`),
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30))

describe('a wrapper with a queue', () => {
  it('hands the response back when the queue has every task, and not before', async () => {
    const { queue, waiting, names } = gatedQueue()
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(mail, { to: 'ada' })
        tasks.add(audit, 'signed up')
        return new Response('ok')
      },
      { queue },
    )
    let answered = false
    const answer = Promise.resolve(handler(request)).then((response) => {
      answered = true
      return response
    })
    await settled()
    expect(names()).toEqual([['mail', 'audit']])
    expect(answered).toBe(false)
    waiting[0]?.resolve()
    expect(await (await answer).text()).toBe('ok')
  })

  it('gives the queue the input as it was passed, and the id that add returned', async () => {
    const { queue, taken } = plainQueue()
    const schema = z.object({ at: z.string().transform((text) => new Date(text)) })
    const task = defineTask({ name: 'dated', input: schema, run: () => {} })
    let id: string | undefined
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        id = tasks.add(task, { at: '2026-01-01' }, { delayMs: 5, priority: 2 })
        return new Response()
      },
      { queue },
    )
    await handler(request)
    expect(taken).toMatchObject([{ task, input: { at: '2026-01-01' }, options: { id, delayMs: 5, priority: 2 } }])
  })

  it('asks the schema of a task once as it is added, and once more where it runs', async () => {
    const queue = memory()
    const asked = vi.fn((text: string) => text.length)
    const ran: unknown[] = []
    const task = defineTask({ name: 'asked', input: z.string().transform(asked), run: (input) => void ran.push(input) })
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(task, 'four')
        return new Response()
      },
      { queue },
    )
    await handler(request)
    expect(asked).toHaveBeenCalledTimes(1)
    await using _worker = await queue.work([task])
    await until(() => ran.length === 1, 'the task')
    expect(ran).toEqual([4])
    expect(asked).toHaveBeenCalledTimes(2)
  })

  it('gives what was added, whatever the handler does to the input afterwards', async () => {
    const queue = memory()
    const ran: unknown[] = []
    const task = defineTask({ name: 'kept', run: (input: { items: number[] }) => void ran.push(input) })
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        const input = { items: [1] }
        tasks.add(task, input)
        input.items.push(2)
        return new Response()
      },
      { queue },
    )
    await handler(request)
    await using _worker = await queue.work([task])
    await until(() => ran.length === 1, 'the task')
    expect(ran).toEqual([{ items: [1] }])
  })

  it('runs functions and inline tasks in this process, after the response', async () => {
    const { queue, taken } = plainQueue()
    const ran: string[] = []
    const inline = defineTask({ name: 'inline', inline: true, run: (input: string) => void ran.push(input) })
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add((input: string) => void ran.push(input), 'function')
        tasks.add(audit, 'queued')
        tasks.add(inline, 'task')
        return new Response()
      },
      { queue },
    )
    await handler(request)
    await handler.drain()
    expect(ran).toEqual(['function', 'task'])
    expect(taken.map(({ task }) => task.name)).toEqual(['audit'])
  })

  it('answers synchronously, with the very same response, where nothing goes to the queue', async () => {
    const response = new Response()
    const { queue } = plainQueue()
    expect(withBackgroundTasks(() => response, { queue })(request)).toBe(response)
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(() => {})
        return response
      },
      { queue },
    )
    expect(handler(request)).toBe(response)
    await handler.drain()
  })

  it('enqueues nothing when the handler threw, and reports what it did not', async () => {
    const { queue, taken } = plainQueue()
    const { observer, seen } = watched()
    const error = new Error('no')
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        throw error
      },
      { queue, observer },
    )
    await expect(async () => handler(request)).rejects.toBe(error)
    await settled()
    expect(taken).toEqual([])
    expect(seen()).toEqual(['added audit', 'discarded audit'])
  })

  it('asks runOn when the handler has returned: success, always, a task of its own', async () => {
    const { queue, taken } = plainQueue()
    const eager = defineTask({ name: 'eager', runOn: 'always', run: (_n: number) => {} })
    const wrapped = (runOn: BackgroundTasksOptions['runOn'], status: number) =>
      withBackgroundTasks(
        (_request, tasks) => {
          tasks.add(audit, String(status))
          tasks.add(eager, status)
          return new Response(null, { status })
        },
        { queue, runOn },
      )
    await wrapped('success', 500)(request)
    await wrapped('success', 200)(request)
    expect(taken.map(({ input }) => input)).toEqual([500, '200', 200])
  })

  it('asks a runOn function once for the queue, without a delivery, and again for what runs here', async () => {
    const { queue, taken } = plainQueue()
    const asked: unknown[] = []
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, '1')
        tasks.add(audit, '2')
        tasks.add(() => {})
        return new Response(null, { status: 201 })
      },
      {
        queue,
        runOn: ({ status, delivery }) => {
          asked.push([status, delivery])
          return true
        },
      },
    )
    await handler(request)
    await handler.drain()
    expect(taken).toHaveLength(2)
    expect(asked).toEqual([
      [201, undefined],
      [201, 'returned'],
    ])
  })

  it('enqueues with runOn always when the handler threw, and still rejects with its error', async () => {
    const { queue, taken } = plainQueue()
    const error = new Error('no')
    const handler = withBackgroundTasks(
      async (_request, tasks) => {
        tasks.add(audit, 'x')
        throw error
      },
      { queue, runOn: 'always' },
    )
    await expect(handler(request)).rejects.toBe(error)
    expect(taken).toHaveLength(1)
  })

  it('refuses an input that cannot travel in add, by a TaskInputError, and takes the others', async () => {
    const queue = memory()
    const errors: unknown[] = []
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        for (const input of [1n, 'x'.repeat(2_000_000)]) {
          try {
            tasks.add(audit, input as string)
          } catch (error) {
            errors.push(error)
          }
        }
        const id = tasks.add(audit, 'fine')
        return Response.json({ size: tasks.size, id })
      },
      { queue },
    )
    const { size, id } = (await (await handler(request)).json()) as { size: number; id: string }
    expect(size).toBe(1)
    expect(errors).toMatchObject([
      { name: 'TaskInputError', message: expect.stringMatching(/'audit'.*bigint/) },
      { name: 'TaskInputError', message: expect.stringMatching(/'audit'.*bytes/) },
    ])
    expect(await queue.get(audit, id)).toMatchObject({ state: 'queued' })
  })

  it('refuses options that only a queue can honour where there is none, or the task is inline', () => {
    const inline = defineTask({ name: 'inline', inline: true, run: (_n: number) => {} })
    const refused = /'delayMs' must be left out where the task goes to no queue: current value is 10/
    const { tasks } = createBackgroundTasks().open()
    expect(() => tasks.add(audit, 'x', { delayMs: 10 })).toThrow(refused)
    expect(() => tasks.add(audit, 'x', { priority: 1 })).toThrow(/'priority' must be left out/)
    expect(() => tasks.add(audit, 'x', { delayMs: 0, priority: 1 })).toThrow(/'priority' must be left out/)
    const { tasks: queued } = createBackgroundTasks({ queue: memory() }).open()
    expect(() => queued.add(inline, 1, { delayMs: 10 })).toThrow(refused)
  })

  it('shows, counts and clears what it has not given to the queue yet', async () => {
    const { queue, taken } = plainQueue()
    const { observer, seen } = watched()
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        const id = tasks.add(audit, 'x')
        expect(tasks.pending).toEqual([{ id, name: 'audit', args: [], input: 'x' }])
        expect(tasks.size).toBe(1)
        tasks.clear()
        return new Response()
      },
      { queue, observer },
    )
    await handler(request)
    expect(taken).toEqual([])
    expect(seen()).toEqual(['added audit', 'discarded audit'])
  })

  it('does not discard any more what is on its way', async () => {
    const { queue, waiting } = gatedQueue()
    const { observer, seen } = watched()
    let list: BackgroundTasks | undefined
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        list = tasks
        tasks.add(audit, 'x')
        return new Response()
      },
      { queue, observer },
    )
    const answer = handler(request)
    list?.clear()
    waiting[0]?.resolve()
    await answer
    expect(seen()).toEqual(['added audit'])
  })

  it('tells observers that a task goes to a queue, and leaves its end to the worker', async () => {
    const queue = memory()
    const { observer, events } = watched()
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        return new Response()
      },
      { queue, observer },
    )
    await handler(request)
    expect(await handler.drain()).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
    expect(events).toMatchObject([{ type: 'added', queue: 'memory' }])
    const worker = await queue.work([audit], { observer })
    await until(() => events.length === 3, 'the run')
    await worker.close()
    expect(events.map(({ type, queue: name }) => `${type} ${name}`)).toEqual([
      'added memory',
      'started memory',
      'succeeded memory',
    ])
    expect(new Set(events.map(({ task }) => task.id)).size).toBe(1)
  })

  it('gives the worker where the task was added, if the observer says it', async () => {
    const queue = memory()
    const { observer, events } = watched()
    const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        return new Response()
      },
      { queue, observer: Object.assign(() => {}, { trace: () => trace }) },
    )
    await handler(request)
    await using _worker = await queue.work([audit], { observer })
    await until(() => events.length === 2, 'the run')
    expect(events).toMatchObject([{ trace }, { trace }])
  })

  it('loses no task to an observer that cannot say it', async () => {
    const { queue, taken } = plainQueue()
    const trace = (): never => {
      throw new Error('no span')
    }
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        return new Response()
      },
      { queue, observer: Object.assign(() => {}, { trace }) },
    )
    await handler(request)
    expect(taken).toHaveLength(1)
    expect(takePrinted()).toEqual([expect.stringContaining('observer failed: Error: no span')])
  })

  it('frees maxPending when the queue has the tasks', async () => {
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        return new Response()
      },
      { queue: plainQueue().queue, maxPending: 1 },
    )
    await handler(request)
    await handler(request)
    await expect(handler(request)).resolves.toBeInstanceOf(Response)
  })

  it('gives what an inner wrapper adds to the queue of the outermost', async () => {
    const outer = plainQueue()
    const inner = plainQueue()
    const nested = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        return new Response()
      },
      { queue: inner.queue },
    )
    await withBackgroundTasks((same) => nested(same), { queue: outer.queue })(request)
    expect([outer.taken.length, inner.taken.length]).toEqual([1, 0])
  })

  it('waits with a drain for tasks that are on their way', async () => {
    const { queue, waiting } = gatedQueue()
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        return new Response()
      },
      { queue },
    )
    const answer = handler(request)
    let drained = false
    const drain = handler.drain().then(() => {
      drained = true
    })
    await settled()
    expect(drained).toBe(false)
    waiting[0]?.resolve()
    await Promise.all([answer, drain])
  })

  it('reports a task as abandoned that the queue did not take before the deadline of a drain', async () => {
    const { queue, waiting } = gatedQueue()
    const { observer, seen } = watched()
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        return new Response('late')
      },
      { queue, observer },
    )
    const answer = handler(request)
    expect(await handler.drain({ timeoutMs: 20 })).toMatchObject({ abandoned: [{ name: 'audit' }] })
    waiting[0]?.resolve()
    expect(await (await answer).text()).toBe('late')
    expect(seen()).toEqual(['added audit', 'abandoned audit'])
  })

  it('answers, and runs nothing, where a drain gave the task up before the queue said that it is down', async () => {
    const { queue, waiting } = gatedQueue()
    const { observer, seen } = watched()
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        return new Response('late')
      },
      { queue, observer, onQueueDown: 'inline' },
    )
    const answer = handler(request)
    await handler.drain({ timeoutMs: 1 })
    waiting[0]?.reject(down())
    expect(await (await answer).text()).toBe('late')
    await settled()
    expect(seen()).toEqual(['added audit', 'abandoned audit'])
  })

  it('takes a list that is cleared by whoever is asked, or told, on the way to the queue', async () => {
    const { queue, taken } = plainQueue()
    let list: BackgroundTasks | undefined
    const clears = defineTask({
      name: 'clears',
      run: () => {},
      runOn: () => {
        list?.clear()
        return true
      },
    })
    const refused = defineTask({ name: 'refused', run: () => {}, runOn: () => false })
    for (const task of [clears, refused]) {
      const handler = withBackgroundTasks(
        (_request, tasks) => {
          list = tasks
          tasks.add(audit, 'x')
          tasks.add(task, undefined)
          return new Response('ok')
        },
        { queue, observer: ({ type }) => type === 'discarded' && list?.clear() },
      )
      expect(await (await handler(request)).text()).toBe('ok')
    }
    expect(taken).toEqual([])
  })

  it('settles a list once, also when it is told twice', async () => {
    const { queue, waiting } = gatedQueue()
    const afterResponse = vi.fn((start: (delivery: 'returned') => void) => void setTimeout(start, 0, 'returned'))
    const { tasks, settle } = createBackgroundTasks({ queue, adapter: { name: 'counting', afterResponse } }).open()
    tasks.add(audit, 'x')
    tasks.add(() => {})
    const [first, second] = [settle('first'), settle('second')]
    expect(second).toBe('second')
    waiting[0]?.resolve()
    expect([await first, waiting.length]).toEqual(['first', 1])
    expect(afterResponse).toHaveBeenCalledTimes(1)
  })

  it('refuses what is no queue, and an unknown onQueueDown', () => {
    expect(() => withBackgroundTasks(() => new Response(), { queue: {} as never })).toThrow(
      /'queue' must be a queue such as/,
    )
    expect(() => withBackgroundTasks(() => new Response(), { onQueueDown: 'wait' as never })).toThrow(
      /'throw', 'inline'/,
    )
  })
})

describe('a queue that is down', () => {
  const adding =
    (...inputs: string[]) =>
    (_request: Request, tasks: BackgroundTasks): Response => {
      for (const input of inputs) tasks.add(audit, input)
      tasks.add(() => {})
      return new Response('ok')
    }

  it('is an error that the app sees; nothing of that request runs', async () => {
    const error = down()
    const { observer, seen, events } = watched()
    const handler = withBackgroundTasks(adding('x'), { queue: plainQueue(error).queue, observer })
    await expect(handler(request)).rejects.toBe(error)
    await handler.drain()
    expect(seen()).toEqual(['added audit', 'added anonymous', 'discarded audit', 'discarded anonymous'])
    expect(events.map(({ reason }) => reason).slice(2)).toEqual(['the queue did not take it', 'the handler threw'])
  })

  it('still runs what is to run always', async () => {
    const ran: string[] = []
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        tasks.add(() => void ran.push('here'))
        return new Response()
      },
      { queue: plainQueue(down()).queue, runOn: 'always' },
    )
    await expect(handler(request)).rejects.toMatchObject({ name: 'QueueError' })
    await handler.drain()
    expect(ran).toEqual(['here'])
  })

  it('has its tasks run here where onQueueDown says inline, with the input that their schema gives', async () => {
    const ran: unknown[] = []
    const task = defineTask({
      name: 'dated',
      input: z.string().transform((text) => text.length),
      run: (input, { attempt }) => void ran.push([input, attempt]),
    })
    const { observer, seen } = watched()
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(task, 'four')
        tasks.add(() => void ran.push('next'))
        return new Response('ok')
      },
      { queue: plainQueue(down()).queue, onQueueDown: 'inline', observer },
    )
    expect(await (await handler(request)).text()).toBe('ok')
    expect(ran).toEqual([])
    await handler.drain()
    expect(ran).toEqual([[4, 1], 'next'])
    expect(seen().slice(2)).toEqual(['started dated', 'succeeded dated', 'started anonymous', 'succeeded anonymous'])
  })

  it('has them among the pending until they start, where they can be cleared', async () => {
    let list: BackgroundTasks | undefined
    const { observer, seen } = watched()
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        list = tasks
        tasks.add(audit, 'x')
        return new Response()
      },
      { queue: plainQueue(down()).queue, onQueueDown: 'inline', observer },
    )
    await handler(request)
    expect(list?.pending).toMatchObject([{ name: 'audit', input: 'x' }])
    list?.clear()
    await handler.drain()
    expect(seen()).toEqual(['added audit', 'discarded audit'])
  })

  it('has nothing run now that was to run later, whatever onQueueDown says', async () => {
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'now')
        tasks.add(audit, 'tomorrow', { delayMs: 86_400_000 })
        return new Response()
      },
      { queue: plainQueue(down()).queue, onQueueDown: 'inline' },
    )
    await expect(handler(request)).rejects.toMatchObject({ name: 'QueueError' })
    expect(await handler.drain()).toMatchObject({ succeeded: 0 })
  })

  it('does not hide any other error behind onQueueDown', async () => {
    const error = new TypeError('a bug')
    const handler = withBackgroundTasks(adding('x'), { queue: plainQueue(error).queue, onQueueDown: 'inline' })
    await expect(handler(request)).rejects.toBe(error)
  })

  it('rejects with whatever the queue did, also with undefined', async () => {
    const queue = { name: 'odd', enqueueAll: () => Promise.reject() } as unknown as TaskQueue
    const handler = withBackgroundTasks(adding('x'), { queue, onQueueDown: 'inline' })
    const outcome = await Promise.resolve(handler(request)).then(
      () => 'answered',
      (error) => [error],
    )
    expect(outcome).toEqual([undefined])
  })

  it('is not noticed where nothing is to be enqueued', async () => {
    const error = new Error('no')
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        throw error
      },
      { queue: plainQueue(down()).queue },
    )
    // It would be printed.
    await expect(async () => handler(request)).rejects.toBe(error)
  })

  it('leaves the error of a handler that threw in front, and prints its own', async () => {
    const error = new Error('no')
    const outcomes: unknown[] = []
    const here = defineTask({
      name: 'here',
      inline: true,
      run: (_n: number, context) => void outcomes.push(context.outcome),
    })
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        tasks.add(audit, 'x')
        tasks.add(here, 1)
        throw error
      },
      { queue: plainQueue(down()).queue, runOn: 'always' },
    )
    await expect(async () => handler(request)).rejects.toBe(error)
    expect(takePrinted()).toEqual([expect.stringContaining('QueueError: the engine is down')])
    await handler.drain()
    expect(outcomes).toMatchObject([{ threw: true, error }])
  })
})

describe('a task added when the handler has ended', () => {
  const late = (options: BackgroundTasksOptions) => {
    let list: BackgroundTasks | undefined
    const handler = withBackgroundTasks((_request, tasks) => {
      list = tasks
      return new Response()
    }, options)
    return { handler, add: (input: string) => (list as BackgroundTasks).add(audit, input) }
  }

  it('is enqueued, and covered by a drain', async () => {
    const { queue, waiting, names } = gatedQueue()
    const { handler, add } = late({ queue })
    await handler(request)
    add('x')
    const drain = handler.drain()
    await until(() => waiting.length === 1, 'the queue to be asked')
    waiting[0]?.resolve()
    expect(await drain).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
    expect(names()).toEqual([['audit']])
  })

  it('lets the next one go when the queue has it, and neither is told as started here', async () => {
    const { queue, taken } = plainQueue()
    const { observer, seen } = watched()
    const { handler, add } = late({ queue, observer })
    await handler(request)
    add('x')
    add('y')
    await handler.drain()
    expect(taken.map(({ input }) => input)).toEqual(['x', 'y'])
    expect(seen()).toEqual(['added audit', 'added audit'])
  })

  it('is reported as failed when the queue does not take it', async () => {
    const errors: unknown[] = []
    const { handler, add } = late({ queue: plainQueue(down()).queue, onError: (error) => errors.push(error) })
    await handler(request)
    add('x')
    expect(await handler.drain()).toMatchObject({ failed: 1 })
    expect(errors).toMatchObject([{ name: 'QueueError' }])
    add('y')
    add('z')
    expect(await handler.drain()).toMatchObject({ failed: 2 })
  })

  it('runs here where onQueueDown says inline, as its first attempt', async () => {
    const { observer, events } = watched()
    const { handler, add } = late({ queue: plainQueue(down()).queue, onQueueDown: 'inline', observer })
    await handler(request)
    add('x')
    await handler.drain()
    expect(events).toMatchObject([
      { type: 'added' },
      { type: 'started', attempt: 1 },
      { type: 'succeeded', attempt: 1 },
    ])
  })

  it('is discarded after a handler that threw', async () => {
    const { queue, taken } = plainQueue()
    let list: BackgroundTasks | undefined
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        list = tasks
        throw new Error('no')
      },
      { queue },
    )
    expect(() => handler(request)).toThrow('no')
    list?.add(audit, 'x')
    expect(await handler.drain()).toMatchObject({ discarded: 1 })
    expect(taken).toEqual([])
  })

  it('is enqueued as well while the others are on their way', async () => {
    const { queue, waiting, names } = gatedQueue()
    let list: BackgroundTasks | undefined
    const handler = withBackgroundTasks(
      (_request, tasks) => {
        list = tasks
        tasks.add(audit, 'first')
        return new Response()
      },
      { queue },
    )
    const answer = handler(request)
    list?.add(mail, { to: 'ada' })
    waiting[0]?.resolve()
    await answer
    await until(() => waiting.length === 2, 'the second to be sent')
    waiting[1]?.resolve()
    await handler.drain()
    expect(names()).toEqual([['audit'], ['mail']])
  })
})

describe('the Hono middleware with a queue', () => {
  it('holds the response until the queue has the tasks', async () => {
    const { queue, waiting } = gatedQueue()
    const app = new Hono().use(backgroundTasks({ queue })).post('/', (c) => {
      c.var.tasks.add(audit, 'x')
      return c.text('ok', 202)
    })
    let answered = false
    const answer = Promise.resolve(app.request('/', { method: 'POST' })).then((response) => {
      answered = true
      return response
    })
    await settled()
    expect([waiting.length, answered]).toEqual([1, false])
    waiting[0]?.resolve()
    expect((await answer).status).toBe(202)
  })

  it('gives app.onError the QueueError when the queue is down', async () => {
    const app = new Hono().use(backgroundTasks({ queue: plainQueue(down()).queue })).post('/', (c) => {
      c.var.tasks.add(audit, 'x')
      return c.text('ok', 202)
    })
    app.onError((error, c) => c.text(error.name, 503))
    const response = await app.request('/', { method: 'POST' })
    expect([response.status, await response.text()]).toEqual([503, 'QueueError'])
  })

  it('enqueues nothing for an error that Hono made a response of', async () => {
    const { queue, taken } = plainQueue()
    const app = new Hono().use(backgroundTasks({ queue })).post('/', (c) => {
      c.var.tasks.add(audit, 'x')
      throw new Error('no')
    })
    app.onError((_error, c) => c.text('sorry', 500))
    expect((await app.request('/', { method: 'POST' })).status).toBe(500)
    expect(taken).toEqual([])
  })
})

describe('tasksFor with a queue', () => {
  const answerOf = async (
    url: string,
  ): Promise<{ status: number; text: string; headers: IncomingMessage['headers'] }> => {
    const [response] = (await once(get(url), 'response')) as [IncomingMessage]
    let text = ''
    for await (const chunk of response) text += chunk
    return { status: response.statusCode ?? 0, text, headers: response.headers }
  }

  it('holds the end of the response until the queue has the tasks', async () => {
    const { queue, waiting } = gatedQueue()
    const tasksFor = createTasksFor({ queue })
    await using server = await listening(
      createServer((_request, res) => {
        tasksFor(res).add(audit, 'x')
        res.setHeader('x-test', '1').end('ok')
        res.end('twice')
      }),
    )
    let answered = false
    const answer = answerOf(server.url).then((all) => {
      answered = true
      return all
    })
    await until(() => waiting.length === 1, 'the queue to be asked')
    await settled()
    expect(answered).toBe(false)
    waiting[0]?.resolve()
    expect(await answer).toMatchObject({ status: 200, text: 'ok', headers: { 'x-test': '1' } })
    await tasksFor.drain()
  })

  it('answers 500 when the queue does not take them, and prints why', async () => {
    const tasksFor = createTasksFor({ queue: plainQueue(down()).queue })
    await using server = await listening(
      createServer((_request, res) => {
        tasksFor(res).add(audit, 'x')
        res.statusCode = 202
        res.setHeader('content-type', 'text/plain').end('ok')
      }),
    )
    const { status, text, headers } = await answerOf(server.url)
    expect({ status, text, type: headers['content-type'] }).toEqual({ status: 500, text: '', type: undefined })
    expect(takePrinted()).toEqual([expect.stringContaining('QueueError: the engine is down')])
  })

  it('cuts a response off that has a status already', async () => {
    const tasksFor = createTasksFor({ queue: plainQueue(down()).queue })
    await using server = await listening(
      createServer((_request, res) => {
        tasksFor(res).add(audit, 'x')
        res.writeHead(200)
        res.write('some ')
        res.end('more')
      }),
    )
    await expect(answerOf(server.url)).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(takePrinted()).toHaveLength(1)
  })

  it('enqueues by the status of the response where runOn asks for success', async () => {
    const { queue, taken } = plainQueue()
    const tasksFor = createTasksFor({ queue, runOn: 'success' })
    await using server = await listening(
      createServer((incoming, res) => {
        tasksFor(res).add(audit, incoming.url as string)
        res.statusCode = incoming.url === '/bad' ? 400 : 200
        res.end()
      }),
    )
    await answerOf(`${server.url}/bad`)
    await answerOf(`${server.url}/good`)
    expect(taken.map(({ input }) => input)).toEqual(['/good'])
  })

  it('enqueues what is added when the response has ended, and prints what the queue does not take', async () => {
    const { queue, taken } = plainQueue()
    const broken = createTasksFor({ queue: plainQueue(down()).queue })
    const tasksFor = createTasksFor({ queue })
    await using server = await listening(
      createServer((_request, res) => {
        res.end('ok')
        tasksFor(res).add(audit, 'late')
        broken(res).add(audit, 'late')
      }),
    )
    await answerOf(server.url)
    await until(() => taken.length === 1, 'the task')
    await tasksFor.drain()
    await broken.drain()
    await until(() => takePrinted().some((line) => line.includes('the engine is down')), 'the error')
  })
})
