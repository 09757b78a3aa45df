import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'
import { afterAll, afterEach, beforeAll, describe, expect, expectTypeOf, test } from 'vitest'
import { inThread, type ThreadTaskContext } from '../../adapters/threads.ts'
import { defineTask, type Task, type TaskContext } from '../../src/index.ts'
import { takePrinted } from '../_printed.ts'
import { until } from '../_server.ts'
import { endsOf, ok, wrapped } from '../_wrapped.ts'
import { Example } from '../examples/_example.ts'
import type * as work from './_threads-work.ts'

const url = new URL('./_threads-work.ts', import.meta.url)
const root = fileURLToPath(new URL('../..', import.meta.url))

const burn = inThread<typeof work.default>(url)
const joined = inThread<typeof work.joined>(url, 'joined')
/** Calls what it is told to, all in the threads of one pool. */
const perform = inThread<typeof work.perform>(url, 'perform', { threads: 1 })

afterEach(async () => {
  await Promise.all([burn.drain(), perform.drain()])
})

/** What a call rejects with. */
async function failure(call: Promise<unknown>): Promise<any> {
  return call.then(
    (value) => expect.unreachable(`it gave ${value}`),
    (error) => error,
  )
}

describe('a call', () => {
  test('leaves the event loop free, while a task burns a processor for a second', async () => {
    let ticks = 0
    const { handler, call, log } = wrapped((tasks) => {
      tasks.add(burn, 1000)
      return ok()
    })
    await call()
    const timer = setInterval(() => ticks++, 10)
    const report = await handler.drain()
    clearInterval(timer)
    expect(report.succeeded).toBe(1)
    expect(log()).toEqual(['added _threads-work', 'started _threads-work', 'succeeded _threads-work'])
    expect(ticks).toBeGreaterThanOrEqual(20)
    expect(await burn(0), 'whether that was the main thread').toBe(false)
  })

  test('has any number of arguments, and gives what the function gives', async () => {
    expect(await joined('a', 1)).toBe('a,1')
    expect(await joined('a', 1, 'b', 'c')).toBe('a,1,b,c')
  })

  test('is named like the export, or like the file of a default export', () => {
    expect(joined.name).toBe('joined')
    expect(burn.name).toBe('_threads-work')
    expect(inThread('file:///app/resize.image.js?v=a/b').name).toBe('resize.image')
  })

  test('has the types of the function', () => {
    expectTypeOf(joined).parameters.toEqualTypeOf<[first: string, second: number, ...rest: string[]]>()
    expectTypeOf(joined).returns.toEqualTypeOf<Promise<string>>()
    expectTypeOf(burn).returns.toEqualTypeOf<Promise<boolean>>()
    // @ts-expect-error a wrong argument
    const wrong = (): unknown => joined(1, 1)
    expect(wrong).toBeTypeOf('function')
  })

  test('with an argument that cannot be cloned rejects with an error that names the function', async () => {
    const told = inThread(url, 'told')
    const error = await failure(told(() => {}))
    expect(error.name).toBe('DataCloneError')
    expect(error.message).toMatch(/^Cannot call 'told' in a thread as an argument cannot be cloned: /)
    expect(await told(1)).toEqual([1])
  })

  test('whose result cannot be cloned rejects with an error that names the function, and its thread lives on', async () => {
    const before = await perform('thread')
    const error = await failure(perform('givesFunction'))
    expect([error.name, error.message]).toEqual([
      'DataCloneError',
      "What 'perform' returned cannot be cloned: return nothing, or data",
    ])
    expect(await perform('thread')).toBe(before)
  })

  test('of what is no function says what the module exports', async () => {
    for (const name of ['missing', 'noFunction']) {
      const error = await failure(inThread(url, name)())
      expect(error.name).toBe('TypeError')
      expect(error.message).toContain(
        `Cannot call '${name}' as it is no function of ${url}, which exports count, crash`,
      )
    }
    const error = await failure(inThread(new URL('./_threads-nothing.ts', url))())
    expect(error.message).toContain('_threads-nothing.ts')
  })
})

describe('an error', () => {
  test('arrives with its name, message, stack, fields and cause', async () => {
    const error = await failure(perform('fails'))
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'NonRetryableError', message: 'too wide', code: 'E_WIDE', cause: 'the cause' })
    expect(error.stack).toMatch(/too wide\n.*at .*fails .*_threads-work\.ts/)
  })

  test('that cannot be sent as it is arrives as far as it can', async () => {
    expect(await failure(perform('failsWith', 'text'))).toBe('a text')
    expect(await failure(perform('failsWith', 'function'))).toBe('an object with a function')
    const error = await failure(perform('failsWith', 'field'))
    expect([error.message, error.retry]).toEqual(['it has a function', undefined])
  })

  test('that ends the attempts of a task does so from a thread', async () => {
    const task = defineTask({ name: 'task', retry: { attempts: 3, delayMs: 0 }, run: inThread(url, 'fails') })
    const { handler, call, events } = wrapped((tasks) => {
      tasks.add(task)
      return ok()
    })
    await call()
    await handler.drain()
    expect(endsOf(events)).toMatchObject([{ type: 'failed', attempt: 1, error: { name: 'NonRetryableError' } }])
  })
})

describe('a thread that dies', () => {
  test('of process.exit rejects its call, and those that wait for a thread run in another', async () => {
    const [exits, waits] = [failure(perform('exits')), perform('waits', 1)]
    expect((await exits).message).toBe('worker exited with code: 3')
    expect(await waits).toBeTypeOf('number')
  })

  test('of an error nobody caught rejects its call with it, and the next call works', async () => {
    const error = await failure(perform('crashes'))
    expect([error.message, error.stack]).toEqual(['nobody caught this', expect.stringContaining('_threads-work.ts')])
    expect(await perform('thread')).toBeTypeOf('number')
  })

  test('when no call is running is printed, and the next call works', async () => {
    await perform('crashesLater')
    const printed: string[] = []
    await until(() => printed.push(...takePrinted()) > 0, 'the error to be printed')
    expect(printed).toEqual(['background-tasks: a thread failed when no call was running: Error: long after the call'])
    expect(await perform('thread')).toBeTypeOf('number')
  })
})

describe('as the run of a defined task', () => {
  test('the function is called with the input and what it may know of the task', async () => {
    const results: unknown[] = []
    const told = inThread<(input: string, context: ThreadTaskContext) => unknown>(url, 'told')
    const run = async (input: string, context: TaskContext): Promise<void> =>
      void results.push(await told(input, context))
    const task = defineTask({ name: 'tell', run })
    let id: string | undefined
    const { handler, call } = wrapped((tasks) => {
      id = tasks.add(task, 'ada')
      return ok()
    })
    await call()
    await handler.drain()
    expect(results).toEqual([['ada', { id, name: 'tell', attempt: 1 }]])
  })

  test('it is typed like the function', () => {
    const run = inThread<(file: string) => number>(url, 'told')
    expectTypeOf(defineTask({ name: 'task', run })).toEqualTypeOf<Task<string, number>>()
    const two = inThread<(file: string, width: number) => number>(url, 'told')
    // @ts-expect-error a second parameter that is no context
    defineTask({ name: 'task', run: two })
  })

  test('timeoutMs ends the thread, although it never yields', async () => {
    const counter = new Int32Array(new SharedArrayBuffer(4))
    const count = inThread<typeof work.count>(url, 'count')
    const { handler, call, events } = wrapped((tasks) => {
      tasks.add(defineTask({ name: 'count', run: count, timeoutMs: 1000 }), counter)
      return ok()
    })
    await call()
    await handler.drain()
    expect(endsOf(events)).toMatchObject([{ type: 'failed', error: { name: 'TaskTimeoutError' } }])
    expect(await count.drain()).toMatchObject({ abandoned: [] })
    await stopped(counter)
  })

  test("the deadline of the wrapper's drain ends the thread", async () => {
    const counter = new Int32Array(new SharedArrayBuffer(4))
    const count = inThread<typeof work.count>(url, 'count', { threads: 1 })
    const { handler, call } = wrapped((tasks) => {
      tasks.add(defineTask({ name: 'count', run: count }), counter)
      return ok()
    })
    await call()
    await until(() => Atomics.load(counter, 0) > 0, 'the thread to count')
    expect((await handler.drain({ timeoutMs: 0 })).abandoned).toMatchObject([{ name: 'count' }])
    await stopped(counter)
  })

  test('a call that still waits for a thread leaves the queue when it is aborted', async () => {
    const first = perform('waits', 1000)
    const controller = new AbortController()
    const context = { id: 'id', name: 'second', attempt: 1, signal: controller.signal, outcome: { threw: false } }
    const second = failure(perform('count', context as never))
    const third = perform('waits', 1)
    controller.abort(new Error('no longer needed'))
    expect((await second).message).toBe('no longer needed')
    expect((await failure(perform('count', context as never))).message).toBe('no longer needed')
    expect(await third, 'the thread of both').toBe(await first)
  })
})

describe('drain', () => {
  test('waits for the calls, counts them, and ends the threads', async () => {
    const counter = new Int32Array(new SharedArrayBuffer(4))
    const calls = [perform('ticks', counter), perform('waits', 100), failure(perform('fails'))]
    expect(await perform.drain()).toEqual({ succeeded: 2, failed: 1, discarded: 0, abandoned: [] })
    const [, first] = await Promise.all(calls)
    await stopped(counter)
    expect(await perform('thread'), 'a fresh thread').not.toBe(first)
  })

  test('at its deadline ends the calls and their threads, and reports them', async () => {
    const counter = new Int32Array(new SharedArrayBuffer(4))
    const calls = [failure(perform('count', counter)), failure(perform('waits', 1))]
    await until(() => Atomics.load(counter, 0) > 0, 'the thread to count')
    const report = await perform.drain({ timeoutMs: 0 })
    expect(report).toMatchObject({ succeeded: 0, failed: 0, abandoned: [{ name: 'perform' }, { name: 'perform' }] })
    for (const error of await Promise.all(calls)) expect(error.message).toBe('drain reached its deadline')
    await stopped(counter)
    expect(await perform('thread')).toBeTypeOf('number')
  })

  test('ends its wait when its signal is aborted', async () => {
    const call = failure(perform('waits', 60_000))
    expect((await perform.drain({ signal: AbortSignal.abort() })).abandoned).toHaveLength(1)
    expect((await call).name).toBe('AbortError')
  })

  test('of one function leaves the calls of others that share its pool alone', async () => {
    const waits = inThread<typeof work.waits>(url, 'waits')
    const call = waits(300)
    expect(await burn.drain({ timeoutMs: 0 })).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
    expect(await call).toBeTypeOf('number')
  })

  test('refuses what is no duration', async () => {
    await expect(perform.drain({ timeoutMs: -1 })).rejects.toThrow(
      "Cannot drain as 'timeoutMs' must be a number of milliseconds, 0 or more: current value is -1",
    )
  })
})

describe('a pool', () => {
  test('is shared by functions without options', async () => {
    const own = inThread<typeof work.thread>(url, 'thread', {})
    const first = await inThread<typeof work.thread>(url, 'thread')()
    expect(await inThread<typeof work.thread>(url, 'thread')()).toBe(first)
    expect(await own()).not.toBe(first)
    await own.drain()
  })

  test('of one function with options runs no more calls at once than it has threads', async () => {
    const waits = inThread<typeof work.waits>(url, 'waits', { threads: 2 })
    const threads = await Promise.all([waits(50), waits(50), waits(50), waits(50)])
    expect(new Set(threads).size).toBe(2)
    await waits.drain()
  })

  test('ends a thread that had no work for long enough', async () => {
    const thread = inThread<typeof work.thread>(url, 'thread', { threads: 1, idleTimeoutMs: 0 })
    const first = await thread()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await thread()).not.toBe(first)
    await thread.drain()
  })

  test('refuses what is no option, no URL of a file, and no name', () => {
    const refused = (...args: any[]): unknown => {
      try {
        return inThread(...(args as [URL]))
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(refused(url, 'perform', { threads: 0 })).toBe(
      "Cannot run in a thread as 'threads' must be a positive integer: current value is 0",
    )
    expect(refused(url, 'perform', { idleTimeoutMs: -1 })).toBe(
      "Cannot run in a thread as 'idleTimeoutMs' must be a number of milliseconds from 0 to 2^31-1: current value is -1",
    )
    expect(refused('./work.js')).toBe(
      "Cannot run in a thread as 'moduleUrl' must be a file: URL, as of new URL('./module.js', import.meta.url): " +
        'current value is "./work.js"',
    )
    expect(refused(url, 1)).toBe("Cannot run in a thread as 'exportName' must be a string: current value is 1")
  })
})

describe('a program', () => {
  let example: Example

  beforeAll(async () => {
    example = await Example.empty()
    await example.write('package.json', { type: 'module', dependencies: { 'background-tasks': '*', piscina: '*' } })
    await example.install()
    for (const file of ['_threads-program.js', '_threads-program-work.js']) {
      await cp(join(root, 'test/adapters', file), join(example.folder, file))
    }
  })
  afterAll(() => example[Symbol.asyncDispose]())

  const said = [
    'burns: burnt',
    'ticks: true',
    'fails: OwnError on purpose',
    'not cloned: DataCloneError',
    'exits: worker exited with code: 3',
    'crashes: nothing is not defined',
    'times out: TaskTimeoutError',
    'counted: true and stopped: true',
    'abandoned: perform',
    'after a drain: burnt',
  ]

  test.each([
    ['Node 20', '../node-20/bin/node'],
    ['Node 22', '../node-22/bin/node'],
    ['Node 24', '../node/bin/node'],
    ['Node 26', '../node-26/bin/node'],
    ['Bun', 'bun'],
  ])('uses threads on %s, and ends although threads idle', async (_name, command) => {
    expect((await example.run(command, '_threads-program.js')).trim().split('\n')).toEqual(said)
  })

  test('uses threads on Deno, which cannot end one that never yields, and ends although threads idle', async () => {
    const permissions = ['--allow-read', '--allow-env']
    const output = await example.run(
      'deno',
      'run',
      '--no-config',
      '--node-modules-dir=manual',
      ...permissions,
      '_threads-program.js',
    )
    expect(output.trim().split('\n')).toEqual(said.map((line) => line.replace('stopped: true', 'stopped: false')))
  })

  test('that lacks a permission on Deno is told which, as no thread can start', async () => {
    await example.write(
      'permission.js',
      `import { inThread } from 'background-tasks/threads'
       const perform = inThread(new URL('./_threads-program-work.js', import.meta.url), 'perform')
       await perform('burn', 0).catch(({ message }) => console.log(message))`,
    )
    const args = ['run', '--no-config', '--node-modules-dir=manual', '--allow-read', 'permission.js']
    expect(await example.run('deno', ...args)).toContain('run again with the --allow-env flag')
  })

  test('whose thread runs out of memory goes on', async () => {
    await example.write(
      'memory.js',
      `import { inThread } from 'background-tasks/threads'
       const perform = inThread(new URL('./_threads-program-work.js', import.meta.url), 'perform')
       console.log(await perform('fillsMemory').catch(({ code }) => code), await perform('burn', 0))`,
    )
    expect(await example.run('node', '--max-old-space-size=64', 'memory.js')).toContain(
      'ERR_WORKER_OUT_OF_MEMORY burnt\n',
    )
  })

  test.each(['node', 'bun'])('without piscina is told by %s at the first call what to install', async (command) => {
    await using bare = await Example.empty()
    await bare.write('package.json', { type: 'module', dependencies: { 'background-tasks': '*' } })
    await bare.install()
    await bare.write('work.js', 'export default () => {}')
    await bare.write(
      'main.js',
      `import { inThread } from 'background-tasks/threads'
       const work = inThread(new URL('./work.js', import.meta.url))
       await work().catch((error) => console.log(error.message, '/', error.cause.code))
       console.log((await work.drain()).failed)`,
    )
    expect(await bare.run(command, 'main.js')).toBe(
      "Cannot run in a thread as the package 'piscina' is not there: npm install piscina / ERR_MODULE_NOT_FOUND\n0\n",
    )
  })

  test.each(['nodejs_compat', 'nodejs_als'])(
    'on Workers with %s is told at the first call that there are none',
    async (flag) => {
      const bundle = await build({
        stdin: {
          contents: `
          import { inThread } from './adapters/threads.ts'
          const work = inThread('file:///work.js')
          export default { fetch: () => work().catch(({ message }) => new Response(message)) }`,
          resolveDir: root,
        },
        bundle: true,
        format: 'esm',
        target: 'es2022',
        external: ['piscina', 'node:*'],
        write: false,
      })
      const modules = [{ type: 'ESModule' as const, path: 'worker.js', contents: bundle.outputFiles[0]?.text ?? '' }]
      const options = { compatibilityDate: '2026-07-01', compatibilityFlags: [flag], cf: false as const }
      const miniflare = new Miniflare({ modules, ...options })
      try {
        const response = await miniflare.dispatchFetch('http://localhost/')
        expect(await response.text()).toBe('Cannot run in a thread as this host has none: that takes Node, Deno or Bun')
      } finally {
        await miniflare.dispose()
      }
    },
  )
})

/** Waits until nobody counts any more. */
async function stopped(counter: Int32Array): Promise<void> {
  let last = -1
  while (last !== Atomics.load(counter, 0)) {
    last = Atomics.load(counter, 0)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  expect(last, 'what was counted').toBeGreaterThan(0)
}
