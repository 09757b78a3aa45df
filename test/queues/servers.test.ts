import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectRabbitMQ } from 'amqplib'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../_server.ts'
import { gone, tree } from './_process-tree.ts'
import { type RabbitMQServer, type Server, startPostgres, startRabbitMQ, startRedis } from './_servers.ts'

/** A client that keeps a word in the server and gives it back. */
interface Keeper extends AsyncDisposable {
  write(): Promise<unknown>
  read(): Promise<string | null | undefined>
}

interface Kind {
  name: string
  start: () => Promise<Server>
  keeper: (server: Server) => Promise<Keeper>
}

const word = 'kept'
const outer = tmpdir()
const { TMPDIR, PATH } = process.env
let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(outer, 'servers-test-'))
  // Its server runs as another user where the test is root.
  chmodSync(directory, 0o755)
  process.env['TMPDIR'] = directory
})

afterAll(() => {
  if (TMPDIR === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = TMPDIR
  rmSync(directory, { recursive: true, force: true })
})

describe.each<Kind>([
  { name: 'Redis', start: startRedis, keeper: redisKeeper },
  { name: 'PostgreSQL', start: startPostgres, keeper: postgresKeeper },
  { name: 'RabbitMQ', start: startRabbitMQ, keeper: rabbitKeeper },
])('a $name server', ({ name, start, keeper }) => {
  let server: Server

  beforeAll(async () => {
    server = await start()
  })

  afterAll(() => server?.[Symbol.asyncDispose]())

  test('keeps what it confirmed when it is killed', async () => {
    {
      await using client = await keeper(server)
      await client.write()
      await server.kill()
    }
    await expect(reached(server)).rejects.toThrow('ECONNREFUSED')
    await server.start()
    await using client = await keeper(server)
    expect(await client.read()).toBe(word)
  })

  test('is itself again after a restart with a client connected', async () => {
    await using _before = await keeper(server)
    await server.restart()
    await using client = await keeper(server)
    expect(await client.read()).toBe(word)
  })

  test('answers no connected client while it is frozen, and then does', async () => {
    await using client = await keeper(server)
    server.freeze()
    const answer = client.read()
    expect(await Promise.race([answer, sleep(300, 'none')])).toBe('none')
    server.thaw()
    expect(await answer).toBe(word)
  })

  test('is not started twice', async () => {
    await expect(server.start()).rejects.toThrow('as it must be stopped: current process is')
  })

  test('is gone at the end with its files, even when it is frozen', async () => {
    const processes = tree(process.pid).slice(1)
    server.freeze()
    await server[Symbol.asyncDispose]()
    expect(await gone(processes, 0)).toBe(true)
    expect(readdirSync(directory)).toEqual([])
    await expect(reached(server)).rejects.toThrow('ECONNREFUSED')
  })

  test('is gone, frozen, with its files when the process of the test is killed', async () => {
    const script = `
      import { tree } from ${JSON.stringify(import.meta.resolve('./_process-tree.ts'))}
      import { start${name === 'PostgreSQL' ? 'Postgres' : name} as start } from ${JSON.stringify(import.meta.resolve('./_servers.ts'))}
      const server = await start()
      const processes = tree(process.pid).slice(1)
      server.freeze()
      process.send(processes, () => process.kill(process.pid, 'SIGKILL'))`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const [[processes]] = await Promise.all([once(child, 'message'), once(child, 'exit')])
    expect(processes.length).toBeGreaterThan(1)
    expect(await gone(processes, 10_000)).toBe(true)
    await until(() => readdirSync(directory).length === 0, 'its files are removed')
  })
})

test('a program that is missing is named with the command that installs it', async () => {
  process.env['PATH'] = ''
  try {
    await expect(startRedis()).rejects.toThrow(
      "Cannot start Redis as the program 'redis-server' is missing: apt-get install redis-server",
    )
  } finally {
    process.env['PATH'] = PATH
  }
})

async function reached({ url }: Server): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.destroy()
}

async function redisKeeper({ url }: Server): Promise<Keeper> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => {})
  await client.connect()
  return {
    write: () => client.set('word', word),
    read: () => client.get('word'),
    [Symbol.asyncDispose]: async () => client.disconnect(),
  }
}

async function postgresKeeper({ url }: Server): Promise<Keeper> {
  const client = new Client(url)
  client.on('error', () => {})
  await client.connect()
  return {
    write: () => client.query(`create table words as select '${word}' as word`),
    read: async () => (await client.query('select word from words')).rows[0]?.word,
    [Symbol.asyncDispose]: () => client.end(),
  }
}

async function rabbitKeeper(server: Server): Promise<Keeper> {
  const connection = await connectRabbitMQ(server.url)
  connection.on('error', () => {})
  const channel = await connection.createConfirmChannel()
  channel.on('error', () => {})
  const queue = { durable: true, arguments: { 'x-queue-type': 'quorum' } }
  return {
    async write() {
      await channel.assertQueue('words', queue)
      channel.sendToQueue('words', Buffer.from(word), { persistent: true })
      await channel.waitForConfirms()
      await (server as RabbitMQServer).saved('words')
    },
    async read() {
      const message = await channel.get('words')
      if (message) channel.nack(message, false, true)
      return message ? `${message.content}` : undefined
    },
    [Symbol.asyncDispose]: () => connection.close().catch(() => {}),
  }
}
