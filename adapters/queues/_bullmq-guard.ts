/**
 * Lets the server drop a transaction if it comes to it too late, as one that was frozen would: it watches a key that has
 * expired by then. So a call that was rejected at its deadline has no effect afterwards, by the server's own clock.
 *
 * @module
 */
import type { RedisLike } from './_bullmq-like.ts'

export class Guard {
  readonly #client: RedisLike
  readonly #key: string
  /** Between which times it expires; only the server knows when it set it. */
  #expiresAfter = 0
  #expiresBefore = 0

  constructor(client: RedisLike, prefix: string) {
    this.#client = client
    this.#key = `${prefix}:guard:${crypto.randomUUID()}`
  }

  /** Watches over the next transaction of this connection: half of the time until then is for this, half for that. */
  async watch(end: number): Promise<void> {
    const asked = Date.now()
    const half = Math.floor((end - asked) / 2)
    if (half < 1) throw new Error('the server is too slow')
    // To set it is a write on the server's disk, which a few times in a second are enough for.
    if (this.#expiresBefore <= end && this.#expiresAfter - asked > 0.75 * half) {
      await this.#client.watch(this.#key)
    } else {
      await Promise.all([this.#client.set(this.#key, '', 'PX', half), this.#client.watch(this.#key)])
      this.#expiresAfter = asked + half
      this.#expiresBefore = Date.now() + half
    }
    // Nobody watches over what was not there.
    if (Date.now() >= this.#expiresAfter) throw new Error('the server is too slow')
  }
}
