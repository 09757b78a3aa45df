/**
 * A PostgreSQL server, over connections that cannot hang.
 *
 * @module
 */
import { startTimer, stopTimer } from '../../src/adapter.ts'
import type { PgBossLike, PgBossModuleLike } from './_pg-boss-like.ts'
import {
  GOODBYE_MS,
  idle,
  inTransaction,
  keeping,
  loadPgBoss,
  type Store,
  type StoreSettings,
  start,
  stop,
} from './_pg-store.ts'

interface SocketLike {
  once(event: 'finish' | 'close', listener: () => void): this
  destroy(): void
}

interface NetLike {
  readonly Socket: new () => SocketLike
}

const { process } = globalThis as { process?: { getBuiltinModule?(name: 'node:net'): NetLike | undefined } }

/** How long the server may take over maintenance, such as the deletion of many records. */
const MAINTENANCE_MS = 60_000

/** Connects, and installs pg-boss in a database that has none. */
export async function openPostgres(url: string, settings: StoreSettings): Promise<Store> {
  const { PgBoss } = await loadPgBoss<PgBossModuleLike>()
  const { schema, timeoutMs } = settings
  const net = process?.getBuiltinModule?.('node:net')
  const sockets = new Sockets()
  const common = {
    ...idle,
    connectionString: url,
    schema,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    // Without one of its own pg makes the socket, and nobody could end that.
    ...(net && { stream: () => sockets.add(new net.Socket()) }),
  }
  const bosses = new Set<PgBossLike>()
  const startOne = async (options: object): Promise<PgBossLike> => {
    const boss = await start(new PgBoss({ ...common, ...options }))
    bosses.add(boss)
    boss.on('stopped', () => bosses.delete(boss))
    return boss
  }
  const boss = await startOne({})
  return {
    boss,
    transaction: (work, deadline) => inTransaction(boss.getDb(), work, deadline),
    startKeeper: () => startOne({ ...keeping(settings), max: 2, query_timeout: MAINTENANCE_MS }),
    async close() {
      await Promise.all([...bosses].map(stop))
      sockets.destroy()
    },
  }
}

/** All connections. pg waits for ever for a server that is to close its end, and a process for both. */
class Sockets {
  readonly #open: Set<SocketLike> = new Set()
  #isClosed = false

  add(socket: SocketLike): SocketLike {
    this.#open.add(socket)
    let goodbye: unknown
    const end = (): void => {
      goodbye ??= startTimer(() => socket.destroy(), GOODBYE_MS)
    }
    socket.once('finish', end)
    socket.once('close', () => {
      stopTimer(goodbye)
      this.#open.delete(socket)
    })
    // What a PgBoss still wants to say when it is not waited for any more.
    if (this.#isClosed) end()
    return socket
  }

  destroy(): void {
    this.#isClosed = true
    for (const socket of this.#open) socket.destroy()
  }
}
