/**
 * The consumers of one queue. They share a connection, which has an end with the last of them: what is still to be sent on it
 * after an outage would come as a surprise.
 *
 * @module
 */
import { connect, type Where } from './_bullmq-connect.ts'
import { BullConsumer, type ConsumerPlan, workerOptions } from './_bullmq-consumer.ts'
import type { RedisLike } from './_bullmq-like.ts'
import type { Consumer, Deadline, EngineSettings } from './_engine.ts'
import { type Once, once } from './_once.ts'

export class Consumers {
  readonly #settings: EngineSettings & Where & { readonly prefix: string }
  readonly #client: Once<RedisLike, [Deadline]>
  #count = 0

  constructor(settings: EngineSettings & Where & { readonly prefix: string }) {
    this.#settings = settings
    this.#client = once((_ended, deadline) => this.#connect(deadline))
  }

  async start(plan: Omit<ConsumerPlan, 'client' | 'prefix'>, deadline: Deadline): Promise<Consumer> {
    this.#count++
    try {
      const client = await this.#client(deadline)
      const { prefix } = this.#settings
      const consumer = new BullConsumer({ ...plan, client, prefix }, this.#settings)
      const end = (): void => void consumer.close()
      deadline.signal.addEventListener('abort', end)
      try {
        await consumer.start()
      } catch (error) {
        end()
        throw error
      } finally {
        deadline.signal.removeEventListener('abort', end)
      }
      return {
        stop: () => consumer.stop(),
        close: async () => {
          await consumer.close()
          this.#left()
        },
      }
    } catch (error) {
      this.#left()
      throw error
    }
  }

  async #connect(deadline: Deadline): Promise<RedisLike> {
    const client = await connect(this.#settings, workerOptions, deadline)
    // It gets a listener from each answer that it reconnects for, and at the eleventh a warning is printed.
    const allow = (): void => void client.stream.setMaxListeners(0)
    client.on('connect', allow)
    allow()
    return client
  }

  #left(): void {
    if (--this.#count === 0) this.end()
  }

  end(): void {
    this.#client.forget()?.then(
      (client) => client.disconnect(),
      () => {},
    )
  }
}
