/** Real Redis, PostgreSQL and RabbitMQ servers, each with its own data and a free loopback port. */
import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { connect as connectRabbitMQ } from 'amqplib'
import { Client } from 'pg'
import { until } from '../_server.ts'
import { freePort, type Server, startServer, type User } from './_server-process.ts'

export type { Server } from './_server-process.ts'

export interface RabbitMQServer extends Server {
  /**
   * Resolves when a new quorum queue of that name has reached the disk. RabbitMQ confirms a queue and its messages some
   * 3 s before; killed in between, it comes back with a queue that never answers.
   */
  saved(queue: string): Promise<void>
}

const execute = promisify(execFile)

export async function startRedis(): Promise<Server> {
  const program = findProgram('Redis', 'redis-server', ['redis-server', 'valkey-server'])
  const port = await freePort()
  // Each confirmed write is on disk, so that a test may kill it and count.
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--maxmemory-policy', 'noeviction']
  return startServer({
    name: 'Redis',
    url: `redis://127.0.0.1:${port}`,
    commandLine: (directory) => [program, '--bind', '127.0.0.1', '--port', `${port}`, '--dir', directory, ...durable],
    stopSignal: 'SIGTERM',
    async answers() {
      const socket = connectSocket(port, '127.0.0.1')
      try {
        await once(socket, 'connect')
        socket.write('PING\r\n')
        const [answer] = await once(socket, 'data')
        if (`${answer}` !== '+PONG\r\n') throw new Error(`expected +PONG, got ${answer}`)
      } finally {
        socket.destroy()
      }
    },
  })
}

export async function startPostgres(): Promise<Server> {
  const folder = postgresFolder()
  const user = process.getuid?.() === 0 ? ordinaryUser() : undefined
  const port = await freePort()
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: '16MB',
    // Files in the data directory: a killed server leaves nothing in /dev/shm.
    dynamic_shared_memory_type: 'mmap',
  }
  return startServer({
    name: 'PostgreSQL',
    url,
    user,
    async prepare(directory) {
      const options = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync']
      await execute(join(folder, 'initdb'), [...options, join(directory, 'data')], { ...user, cwd: directory })
    },
    commandLine: (directory) => [
      join(folder, 'postgres'),
      ...['-D', join(directory, 'data')],
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
    // Its "fast" end. At SIGTERM it waits until all clients have left.
    stopSignal: 'SIGINT',
    // At SIGKILL its shared memory stays until the next start.
    quitSignal: 'SIGQUIT',
    async answers() {
      const client = new Client({ connectionString: url })
      client.on('error', () => {})
      try {
        await client.connect()
        await client.query('select 1')
      } finally {
        await client.end()
      }
    },
  })
}

export async function startRabbitMQ(): Promise<RabbitMQServer> {
  // What Debian has on the PATH wants to be the user rabbitmq, and so does not run for anybody but root.
  const program = findProgram('RabbitMQ', 'rabbitmq-server', ['rabbitmq-server'], ['/usr/lib/rabbitmq/bin'])
  const port = await freePort()
  const distributionPort = await freePort()
  const url = `amqp://guest:guest@127.0.0.1:${port}`
  const node = `queue-test-${port}@localhost`
  // A node that has its name from the start, and a port without the daemon epmd, starts no process to outlive it.
  const alone = `-noinput -sname ${node} -start_epmd false -erl_epmd_port ${distributionPort}`
  let queues = ''
  const server = await startServer({
    name: 'RabbitMQ',
    url,
    async prepare(directory) {
      queues = join(directory, 'data', node, 'quorum', node, 'names.dets')
      mkdirSync(join(directory, 'logs'))
      writeFileSync(join(directory, 'enabled_plugins'), '[].')
      // A small disk must not make it refuse messages.
      writeFileSync(join(directory, 'rabbitmq.conf'), 'log.console.level = warning\ndisk_free_limit.absolute = 1MB\n')
    },
    commandLine: () => [program],
    env: (directory) => ({
      HOME: directory,
      // Without a shell in between that would wait for it: signals reach it, and its end is seen at once.
      RABBITMQ_ALLOW_INPUT: 'true',
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `${alone} -kernel inet_dist_use_interface {127,0,0,1}`,
      RABBITMQ_NODENAME: node,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: `${port}`,
      RABBITMQ_DIST_PORT: `${distributionPort}`,
      RABBITMQ_MNESIA_BASE: join(directory, 'data'),
      RABBITMQ_LOG_BASE: join(directory, 'logs'),
      RABBITMQ_LOGS: '-',
      RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
      // None of these exist; without them the machine's own would count.
      RABBITMQ_CONFIG_FILES: join(directory, 'conf.d'),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(directory, 'advanced.config'),
      RABBITMQ_CONF_ENV_FILE: join(directory, 'rabbitmq-env.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
    }),
    stopSignal: 'SIGTERM',
    async answers() {
      const connection = await connectRabbitMQ(url)
      connection.on('error', () => {})
      await connection.close()
    },
  })
  return Object.assign(server, {
    saved: (queue: string) => until(() => readFileSync(queues).includes(`%2F_${queue}`), `queue ${queue} is on disk`),
  })
}

/** Where a program is, looked for on the PATH after the folders. */
function findProgram(name: string, install: string, programs: string[], folders: string[] = []): string {
  const places = [...folders, ...(process.env['PATH'] ?? '').split(delimiter)]
  for (const program of programs) {
    const place = places.find((folder) => existsSync(join(folder, program)))
    if (place) return join(place, program)
  }
  throw new Error(`Cannot start ${name} as the program '${programs[0]}' is missing: apt-get install ${install}`)
}

/** The folder with PostgreSQL's server programs, which Debian keeps off the PATH, one for each version. */
function postgresFolder(): string {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = versions.map((version) => join(debian, version, 'bin'))
  return dirname(findProgram('PostgreSQL', 'postgresql', ['postgres'], folders))
}

/** Whom root may lend to PostgreSQL, which refuses to run as root. */
function ordinaryUser(): User {
  for (const name of ['postgres', 'nobody']) {
    const ask = (what: string) => Number(execFileSync('id', [what, name], { encoding: 'utf8', stdio: 'pipe' }))
    try {
      return { uid: ask('-u'), gid: ask('-g') }
    } catch {}
  }
  throw new Error(`Cannot start PostgreSQL as root as a user must be there to run it: expected 'postgres' or 'nobody'`)
}
