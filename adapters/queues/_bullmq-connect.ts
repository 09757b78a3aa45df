/**
 * How connections to Redis are made.
 *
 * @module
 */
import { loadRedis, type RedisLike } from './_bullmq-like.ts'
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
  const { Redis } = await loadRedis()
  return url === undefined ? new Redis({ ...connection, ...options }) : new Redis(url, options)
}
