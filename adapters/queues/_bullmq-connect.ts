/**
 * How connections to Redis are made.
 *
 * @module
 */
import { load, type RedisLike, type RedisModuleLike } from './_bullmq-like.ts'
import type { Deadline } from './_engine.ts'

/** Where the server is: a URL, or options or a client of ioredis. */
export interface Where {
  readonly url?: string | undefined
  readonly connection?: object | undefined
}

/** Connects, or rejects with the reason, and then leaves nothing behind. */
export async function connect(where: Where, options: object, { signal }: Deadline): Promise<RedisLike> {
  const client = await make(where, options)
  let reason: unknown
  client.on('error', (error) => {
    reason = error
  })
  const end = (): void => client.disconnect()
  signal.addEventListener('abort', end)
  try {
    signal.throwIfAborted()
    await client.connect()
    return client
  } catch (error) {
    end()
    throw reason ?? error
  } finally {
    signal.removeEventListener('abort', end)
  }
}

async function make({ url, connection }: Where, options: object): Promise<RedisLike> {
  if (connection && 'duplicate' in connection) return (connection as RedisLike).duplicate(options)
  const { Redis } = await load<RedisModuleLike>('ioredis')
  return url === undefined ? new Redis({ ...connection, ...options }) : new Redis(url, options)
}

/** Keeps what was made, until that has ended or could not be made. */
export class Kept<T> {
  #kept: Promise<T> | undefined

  get(make: (ended: () => void) => Promise<T>): Promise<T> {
    if (this.#kept) return this.#kept
    const ended = (): void => {
      if (this.#kept === made) this.#kept = undefined
    }
    const made = make(ended)
    this.#kept = made
    made.catch(ended)
    return made
  }

  /** Ends what is there, or what is still being made, and forgets it. */
  end(end: (kept: T) => void): void {
    this.#kept?.then(end, () => {})
    this.#kept = undefined
  }
}
