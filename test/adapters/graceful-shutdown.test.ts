import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { nodeServer as stoppableServer } from '../../adapters/_node-server.ts'
import { type Host, shutdownOn } from '../../adapters/_shutdown.ts'
import { dieBy } from '../../adapters/_signals.ts'
import { gracefulShutdown as gracefulShutdownOnBun } from '../../adapters/bun.ts'
import { gracefulShutdown as gracefulShutdownOnDeno } from '../../adapters/deno.ts'
import { gracefulShutdown, tasksFor } from '../../adapters/node.ts'
import type { Drainable, DrainOptions, DrainReport } from '../../src/index.ts'
import { takePrinted } from '../_printed.ts'
import { connected, listening } from '../_server.ts'
import { Child, type ServerUnderTest } from './_shutdown-child.ts'

const UUID = '[0-9a-f-]{36}'

const nodeServer = (kind: string, protocol: ServerUnderTest['protocol'], version = 'node'): ServerUnderTest => ({
  command: `${version}/bin/node`,
  args: ['_shutdown-node.ts', kind],
  protocol,
})

const http = nodeServer('http', 'http')
const hono = nodeServer('hono', 'http')
const deno: ServerUnderTest = {
  command: '.bin/deno',
  args: ['run', '--no-prompt', '--allow-net', '--allow-env', '_shutdown-deno.ts'],
  protocol: 'http',
}
const bun: ServerUnderTest = { command: '.bin/bun', args: ['_shutdown-bun.ts'], protocol: 'http' }

const servers: [name: string, server: ServerUnderTest][] = [
  ['node:http', http],
  ['node:http on Node 26', nodeServer('http', 'http', 'node-26')],
  ['@hono/node-server', hono],
  ['node:https', nodeServer('https', 'https')],
  ['node:http2', nodeServer('http2', 'http2')],
  ['node:http2 on Node 22', nodeServer('http2', 'http2', 'node-22')],
  ['node:http2 with TLS', nodeServer('http2-secure', 'http2s')],
  ['HTTP/1 on node:http2 with TLS', nodeServer('http2-secure', 'https')],
  ['Deno', deno],
  ['Bun', bun],
]

describe.each(servers)('SIGTERM to %s', (_name, server) => {
  const start = async (env?: Record<string, string>): Promise<Child> => {
    const child = await Child.start(server, env)
    onTestFinished(() => child[Symbol.asyncDispose]())
    return child
  }

  test('while a response streams lets it end, with its task, and refuses new connections', async () => {
    const child = await start()
    const { body, text } = await child.get('/stream')
    await once(body, 'readable')
    child.kill('SIGTERM')
    await child.refused()
    child.kill('SIGUSR2')
    expect(await text()).toBe('first last')
    expect(await child.end()).toBe('SIGTERM')
    expect(child.lines.slice(1)).toEqual(['task of the stream done', 'drained'])
    expect(child.stderr).toBe('')
  })

  test('while a task runs lets it end', async () => {
    const child = await start()
    await (await child.get('/task')).text()
    child.kill('SIGTERM')
    await child.refused()
    child.kill('SIGUSR2')
    expect(await child.end()).toBe('SIGTERM')
    expect(child.lines.slice(1)).toEqual(['task done', 'drained'])
    expect(child.stderr).toBe('')
  })

  test('while a task hangs ends at the deadline, and names what it abandons', async () => {
    const child = await start({ TIMEOUT_MS: '500' })
    await (await child.get('/hang')).text()
    child.kill('SIGTERM')
    expect(await child.end()).toBe('SIGTERM')
    expect(child.stderr).toMatch(
      new RegExp(`^background-tasks: shutdown abandoned 2 tasks: hang \\(${UUID}\\), behind \\(${UUID}\\)\n$`),
    )
  })

  test('while tasks add tasks lets all of them end', async () => {
    const child = await start()
    await (await child.get('/chain')).text()
    child.kill('SIGTERM')
    await child.refused()
    child.kill('SIGUSR2')
    expect(await child.end()).toBe('SIGTERM')
    expect(child.lines.slice(1)).toEqual(['link 1', 'link 2', 'link 3', 'drained'])
    expect(child.stderr).toBe('')
  })

  test('while nothing happens ends it at once', async () => {
    const child = await start()
    child.kill('SIGTERM')
    expect(await child.end()).toBe('SIGTERM')
    expect([child.lines.slice(1), child.stderr]).toEqual([['drained'], ''])
  })

  test('ends it at once while connections are idle, used ones and fresh ones', async () => {
    const child = await start()
    expect(await (await child.get('/')).text()).toBe('ok')
    const fresh = await connected(child.port)
    onTestFinished(() => void fresh.destroy())
    fresh.on('error', () => {})
    // An answer to another connection shows that this one was accepted.
    expect(await (await child.get('/')).text()).toBe('ok')
    child.kill('SIGTERM')
    expect(await child.end()).toBe('SIGTERM')
    expect([child.lines.slice(1), child.stderr]).toEqual([['drained'], ''])
  })

  test('while a response never ends ends at the deadline, and names its task', async () => {
    const child = await start({ TIMEOUT_MS: '500' })
    const { body } = await child.get('/endless')
    await once(body, 'readable')
    child.kill('SIGTERM')
    expect(await child.end()).toBe('SIGTERM')
    const names = server.command.endsWith('bun') ? /^$/ : new RegExp(`abandoned 1 task: neverStarted \\(${UUID}\\)\n$`)
    expect(child.stderr).toMatch(names)
  })
})

describe.each([
  ['node:http', http],
  ['Deno', deno],
  ['Bun', bun],
])('on %s', (_name, server) => {
  test('a second signal ends the process at once, by that signal, and names what it abandons', async () => {
    await using child = await Child.start(server)
    await (await child.get('/hang')).text()
    child.kill('SIGTERM')
    await child.refused()
    child.kill('SIGINT')
    expect(await child.end()).toBe('SIGINT')
    expect(child.stderr).toContain('shutdown abandoned 2 tasks: hang (')
  })

  test('disposing takes the handlers of the signals off', async () => {
    await using child = await Child.start(server, { MODE: 'disposed' })
    await (await child.get('/hang')).text()
    child.kill('SIGTERM')
    expect(await child.end()).toBe('SIGTERM')
    expect([child.lines.slice(1), child.stderr]).toEqual([[], ''])
  })

  test('somebody else who listens to the signal keeps the process alive after the drain', async () => {
    await using child = await Child.start(server, { MODE: 'another listener' })
    child.kill('SIGTERM')
    await child.line('drained')
    // Deno does not tell that there is another listener, who hears the signal once more instead.
    const heard = server === deno ? 2 : 1
    await child.line('heard', heard)
    child.kill('SIGTERM')
    await child.line('heard', heard + 1)
    child.kill('SIGHUP')
    await child.line('alive')
    expect(child.lines.slice(1).sort()).toEqual(['alive', 'drained', ...Array(heard + 1).fill('heard')])
  })
})

describe.each([
  ['node:http', http],
  ['node:http2', nodeServer('http2', 'http2')],
  ['Bun', bun],
])('on %s', (_name, server) => {
  test('the deadline cuts responses off also where somebody else keeps the process alive', async () => {
    await using child = await Child.start(server, { MODE: 'another listener', TIMEOUT_MS: '500' })
    const { body } = await child.get('/endless')
    await once(body, 'readable')
    const closed = new Promise((resolve) => body.resume().once('close', resolve))
    child.kill('SIGTERM')
    await closed
    child.kill('SIGHUP')
    await child.line('alive')
  })
})

describe.each([
  ['node:http', http],
  ['@hono/node-server', hono],
  ['node:https', nodeServer('https', 'https')],
])('on %s', (_name, server) => {
  test('a response that was ended, and that its client has not read, is not cut off', async () => {
    await using child = await Child.start(server)
    const { body } = await child.get('/big')
    child.kill('SIGTERM')
    await child.refused()
    let length = 0
    for await (const chunk of body) length += chunk.length
    expect(length).toBe(20_000_000)
    expect(await child.end()).toBe('SIGTERM')
  })

  test('a running response that has not sent its headers says that its connection closes', async () => {
    await using child = await Child.start(server)
    const held = child.get('/held')
    await (await child.get('/')).text()
    child.kill('SIGTERM')
    await child.refused()
    child.kill('SIGUSR2')
    const { headers, text } = await held
    expect([headers.connection, await text()]).toEqual(['close', 'held'])
    expect(await child.end()).toBe('SIGTERM')
  })
})

describe('an upgraded connection', () => {
  test.each([
    ['node:http', http],
    ['Bun', bun],
  ])('is let be until the deadline on %s', async (_name, server) => {
    await using child = await Child.start(server, { TIMEOUT_MS: '500' })
    const socket = await connected(child.port)
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {})
    socket.write(
      'GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    const [head] = await once(socket, 'data')
    expect(String(head)).toMatch(/^HTTP\/1.1 101 /)
    child.kill('SIGTERM')
    await child.refused()
    expect(socket.closed).toBe(false)
    expect(await child.end()).toBe('SIGTERM')
  })
})

/** A host whose process hears what the test says, and its server, which stops when the test lets it. */
class FakeHost implements Host<object> {
  readonly expected = 'a server'
  readonly methods = []
  readonly log: string[] = []
  readonly stopped = Promise.withResolvers<void>()
  readonly #raised = Promise.withResolvers<string>()
  readonly #listeners = new Map<string, () => void>()

  watch = () => ({ stop: () => this.stopped.promise, cut: () => void this.log.push('cut') })

  on(signal: string, listener: () => void): void {
    this.log.push(`on ${signal}`)
    this.#listeners.set(signal, listener)
  }

  off(signal: string): void {
    this.log.push(`off ${signal}`)
    this.#listeners.delete(signal)
  }

  raise(signal: string): void {
    this.#raised.resolve(signal)
  }

  /** Sends a signal. */
  send(signal: string): void {
    this.#listeners.get(signal)?.()
  }

  get raised(): Promise<string> {
    return this.#raised.promise
  }
}

const report = (names: string[] = []): DrainReport => ({
  succeeded: 0,
  failed: 0,
  discarded: 0,
  abandoned: names.map((name) => ({ name, id: '1' })),
})
const drainable = (drain: Drainable['drain']): Drainable => ({ drain })

describe('a shutdown', () => {
  test('drains when the responses have ended, with what is left of the deadline', async () => {
    const host = new FakeHost()
    const options = Promise.withResolvers<DrainOptions>()
    const drain = vi.fn(async (given?: DrainOptions) => {
      options.resolve(given ?? {})
      return report()
    })
    shutdownOn(host, {}, drainable(drain), { timeoutMs: 60_000 })
    host.send('SIGTERM')
    await new Promise(setImmediate)
    expect(drain).not.toHaveBeenCalled()
    host.stopped.resolve()
    const { timeoutMs, signal } = await options.promise
    expect(timeoutMs).toBeLessThan(60_000)
    expect(timeoutMs).toBeGreaterThan(0)
    expect(signal?.aborted).toBe(false)
    expect(await host.raised).toBe('SIGTERM')
    expect(host.log).toEqual(['on SIGTERM', 'on SIGINT', 'off SIGTERM', 'off SIGINT'])
  })

  test('cuts the responses off at the deadline, and drains under a deadline that is over', async () => {
    const host = new FakeHost()
    const given: DrainOptions[] = []
    const drains = [
      drainable(async (options = {}) => {
        given.push(options)
        return report(['first', 'second'])
      }),
      drainable(async () => report(['third'])),
    ]
    shutdownOn(host, [{}, {}], drains, { timeoutMs: 0 })
    host.send('SIGINT')
    expect(await host.raised).toBe('SIGINT')
    expect(host.log.slice(0, 4)).toEqual(['on SIGTERM', 'on SIGINT', 'cut', 'cut'])
    expect([given[0]?.timeoutMs, given[0]?.signal?.aborted]).toEqual([0, true])
    expect(takePrinted()).toEqual(['background-tasks: shutdown abandoned 3 tasks: first (1), second (1), third (1)'])
  })

  test('prints what fails in a server or a drain, and ends the process all the same', async () => {
    const host = new FakeHost()
    host.stopped.reject(new Error('stuck'))
    const drains = [
      drainable(() => {
        throw new Error('lost')
      }),
      drainable(async () => report(['other'])),
    ]
    shutdownOn(host, {}, drains, {})
    host.send('SIGTERM')
    expect(await host.raised).toBe('SIGTERM')
    expect(takePrinted()).toEqual([
      'background-tasks: stopping a server failed: Error: stuck',
      'background-tasks: drain failed: Error: lost',
      'background-tasks: shutdown abandoned 1 task: other (1)',
    ])
  })

  test('gives up on a drain that does not answer to its deadline', async () => {
    const host = new FakeHost()
    shutdownOn(
      host,
      [],
      drainable(() => new Promise(() => {})),
      { timeoutMs: 0 },
    )
    host.send('SIGTERM')
    expect(await host.raised).toBe('SIGTERM')
  })

  test('leaves no timer behind', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const host = new FakeHost()
    const draining = Promise.withResolvers<void>()
    const hang = drainable(({ signal } = {}) => {
      draining.resolve()
      return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(report())))
    })
    shutdownOn(host, [], hang, {})
    host.send('SIGTERM')
    await draining.promise
    expect(vi.getTimerCount()).toBe(1)
    host.send('SIGINT')
    expect(await host.raised).toBe('SIGINT')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('listens once to a signal that is named twice, and to no other', async () => {
    const host = new FakeHost()
    const shutdown = shutdownOn(host, [], [], { signals: ['SIGHUP', 'SIGHUP'] })
    shutdown[Symbol.dispose]()
    expect(host.log).toEqual(['on SIGHUP', 'off SIGHUP'])
  })
})

describe('the process dies', () => {
  const runtime = (pid: number) => ({ pid, kill: vi.fn(), exit: vi.fn() })

  test('by its signal', () => {
    const { pid, kill, exit } = runtime(7)
    dieBy('SIGTERM', { pid, kill, exit })
    expect([kill.mock.calls, exit.mock.calls]).toEqual([[[7, 'SIGTERM']], []])
  })

  test('by the exit code that says so as the first process of a container, which is deaf to the signal', () => {
    const { pid, kill, exit } = runtime(1)
    dieBy('SIGTERM', { pid, kill, exit })
    expect([kill.mock.calls, exit.mock.calls]).toEqual([[], [[143]]])
  })
})

describe('a server of Node', () => {
  const stop = (server: Parameters<typeof stoppableServer>[0]): Promise<unknown> => stoppableServer(server).stop()

  test('that does not run is stopped', async () => {
    await stop(createServer())
  })

  test('that somebody else has closed is waited for', async () => {
    const server = createServer()
    const stoppable = stoppableServer(server)
    const asked = once(server, 'request')
    const { url } = await listening(server)
    const answer = fetch(url)
    const [, res] = await asked
    server.close()
    let isStopped = false
    const stopped = stoppable.stop().then(() => {
      isStopped = true
    })
    await new Promise(setImmediate)
    expect(isStopped).toBe(false)
    res.end('ok')
    expect(await (await answer).text()).toBe('ok')
    await stopped
  })

  /** Sends a POST whose body follows the first answer to it, and measures how long the server then takes to stop. */
  async function stoppedWithin(server: ReturnType<typeof createServer>, header = ''): Promise<number> {
    const stoppable = stoppableServer(server)
    const { port } = await listening(server)
    const socket = await connected(port)
    onTestFinished(() => void socket.destroy())
    socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n${header}\r\n`)
    await once(socket, 'data')
    socket.write('0123456789')
    await new Promise((resolve) => setTimeout(resolve, 50))
    const since = performance.now()
    await stoppable.stop()
    return performance.now() - since
  }

  // Node closes an idle connection by itself, after 5 seconds and more.
  test('closes at once a connection whose body came after its response', async () => {
    const server = createServer((_req, res) => void res.writeHead(401).end('no'))
    expect(await stoppedWithin(server)).toBeLessThan(2_000)
  })

  test('closes at once a connection that had asked before it sent its body', async () => {
    const server = createServer().on('checkContinue', (req, res) => {
      res.writeContinue()
      req.resume().on('end', () => res.end('ok'))
    })
    expect(await stoppedWithin(server, 'Expect: 100-continue\r\n')).toBeLessThan(2_000)
  })

  test('keeps its own `closeIdleConnections`', async () => {
    const server = createServer()
    const { closeIdleConnections } = server
    await stop(server)
    expect(server.closeIdleConnections).toBe(closeIdleConnections)
  })

  test('whose streams are handled without requests goes on so', () => {
    const server = createHttp2Server().on('stream', () => {})
    stoppableServer(server)
    expect(server.listenerCount('request')).toBe(0)
  })
})

describe('gracefulShutdown refuses', () => {
  const server = createServer()
  const message = (call: () => unknown): string => {
    try {
      call()
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError)
      return (error as Error).message
    }
    throw new Error('It refused nothing')
  }

  test('what is no server of the host', () => {
    expect(message(() => gracefulShutdown({} as never, tasksFor))).toBe(
      "Cannot shut down gracefully as 'server' must be one or more servers of node:http, node:https or node:http2: current value is [object Object]",
    )
    expect(message(() => gracefulShutdownOnDeno(server as never, tasksFor))).toContain('what Deno.serve gives')
    expect(message(() => gracefulShutdownOnBun([undefined] as never, tasksFor))).toContain('what Bun.serve gives')
  })

  test('what cannot be drained', () => {
    expect(message(() => gracefulShutdown(server, [tasksFor, () => {}] as never))).toBe(
      "Cannot shut down gracefully as 'drainables' must be one or more objects with a `drain` method: current value is function anonymous",
    )
  })

  test('signals that cannot be caught, and what is no signal', () => {
    for (const signals of [['SIGKILL'], ['SIGTERM', 'term'], 'SIGTERM', [15]] as string[][]) {
      expect(message(() => gracefulShutdown(server, tasksFor, { signals }))).toContain("'signals' must be an array of")
    }
  })

  test('a shutdown without a deadline', () => {
    expect(message(() => gracefulShutdown(server, tasksFor, { timeoutMs: Infinity }))).toBe(
      "Cannot shut down gracefully as 'timeoutMs' must be a number of milliseconds from 0 to 2^31-1: current value is Infinity",
    )
  })

  test('all of that before a handler of a signal is installed', () => {
    const before = process.listenerCount('SIGTERM')
    message(() => gracefulShutdown(server, tasksFor, { timeoutMs: -1 }))
    expect(process.listenerCount('SIGTERM')).toBe(before)
    const shutdown = gracefulShutdown(server, tasksFor)
    expect(process.listenerCount('SIGTERM')).toBe(before + 1)
    shutdown[Symbol.dispose]()
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })
})
