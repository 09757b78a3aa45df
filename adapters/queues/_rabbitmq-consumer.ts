/**
 * Takes the jobs of one task from RabbitMQ, whatever becomes of the connection.
 *
 * @module
 */
import { within } from './_deadline.ts'
import type { Consumer, Deadline, Perform, TakenJob, Verdict } from './_engine.ts'
import type { AmqpMessageLike } from './_rabbitmq-amqp.ts'
import type { RabbitChannel } from './_rabbitmq-channel.ts'
import {
  type Delivery,
  FIRST_WAIT_MS,
  giveBack,
  HeldMessage,
  type Holder,
  pause,
  type RabbitHost,
} from './_rabbitmq-held.ts'
import { jobOf, jobsToMove } from './_rabbitmq-layout.ts'

export class RabbitConsumer implements Consumer, Holder {
  readonly host: RabbitHost
  readonly #queue: string
  readonly #concurrency: number
  readonly #perform: Perform
  readonly #held: Map<string, HeldMessage> = new Map()
  readonly #stopping = new AbortController()
  /** More than are to run at once: after an outage, while what ran before it still does. */
  #waiting: Delivery[] = []
  #running = 0
  #channel: RabbitChannel | undefined
  #stopped: Promise<void> | undefined

  constructor(host: RabbitHost, queue: string, concurrency: number, perform: Perform) {
    this.host = host
    this.#queue = queue
    this.#concurrency = concurrency
    this.#perform = perform
  }

  async start(deadline: Deadline): Promise<void> {
    await this.#listen(deadline)
    if (this.#channel) this.#stay()
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async close(): Promise<void> {
    await Promise.all([...this.#held.values()].map(({ work }) => work))
    this.#channel?.close()
  }

  get isListening(): boolean {
    return this.#channel?.isClosed === false
  }

  get isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #stop(): Promise<void> {
    this.#stopping.abort()
    for (const delivery of this.#waiting.splice(0)) giveBack(delivery)
    const channel = this.#channel
    if (!channel || channel.isClosed) return
    await within(this.host.timeoutMs, channel.raw.cancel(CONSUMER)).catch((error) => {
      // A server that does not answer this will not answer the rest either.
      if (error.name === 'TimeoutError') channel.cut(error)
    })
  }

  async #listen({ signal }: Deadline): Promise<void> {
    const connection = await this.host.connection()
    // It may have been deleted.
    connection.forget(this.#queue)
    await this.host.layout.declareTask(connection, this.#queue)
    const channel = await connection.channel()
    // More do not fit.
    await channel.raw.prefetch(Math.min(this.#concurrency, 65_535))
    await channel.consume(this.#queue, CONSUMER, (message) => this.#take(channel, message))
    // It may be too late. The connection is not cut for that: others are on it, and it may be for this queue alone.
    if (this.isStopped || signal.aborted) channel.close()
    else this.#channel = channel
  }

  /** Listens again whenever that has ended. */
  async #stay(): Promise<void> {
    for (let failures = 0; ; ) {
      await this.#channel?.closed
      this.#waiting = this.#waiting.filter(({ channel }) => channel !== this.#channel)
      await pause(Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** failures), this.#stopping.signal)
      if (this.isStopped) return
      const listening = within(this.host.timeoutMs, (deadline) => this.#listen(deadline))
      failures = (await listening.then(Boolean, () => true)) ? failures + 1 : 0
    }
  }

  #take(channel: RabbitChannel, message: AmqpMessageLike | null): void {
    // The server ended it: the queue was deleted, or has moved.
    if (!message) channel.close()
    // That of a channel which comes too late. On the other one it was under way when this was stopped, and counts as a start.
    else if (this.isStopped && channel !== this.#channel) giveBack({ channel, message })
    else this.#accept({ channel, message })
  }

  #accept(delivery: Delivery): void {
    const { messageId: id = crypto.randomUUID() } = delivery.message.properties
    const held = this.#held.get(id)
    // It ran when the connection was lost, and still does.
    if (held) held.delivery = delivery
    else if (this.#running >= this.#concurrency) this.#waiting.push(delivery)
    else {
      const added = new HeldMessage(delivery)
      this.#held.set(id, added)
      added.work = this.#work(added, id).finally(() => this.#held.delete(id))
    }
  }

  async #work(held: HeldMessage, id: string): Promise<void> {
    const { message } = held.delivery
    const { layout } = this.host
    const moved = jobsToMove(message)?.map((job) => layout.message(this.#queue, [job]))
    if (moved) return held.settle(this, moved, 'done').catch(() => {})
    const { text, attempts } = jobOf(message)
    const attempt = attempts + 1
    const verdict = await this.#run({ id, text, attempt })
    const { type, delayMs, isUnstarted } = verdict
    // The server counts what it gives again, but not what comes anew.
    const anew = { text, attempts: isUnstarted ? attempts : attempt, due: Date.now() + delayMs }
    const isAnew = type === 'retry' || isUnstarted
    const messages = isAnew ? [layout.message(this.#queue, [anew])] : []
    const failure = await held.settle(this, messages, isAnew ? 'done' : ENDS[type]).catch((error) => error)
    verdict.settled(failure)
  }

  async #run(job: TakenJob): Promise<Verdict> {
    this.#running++
    const verdict = await this.#perform(job)
    this.#running--
    // Or it might come back to us.
    if (verdict.type === 'abandoned') await this.stop()
    for (const delivery of this.#waiting.splice(0)) this.#accept(delivery)
    return verdict
  }
}

const ENDS = { succeeded: 'done', retry: 'done', failed: 'dead', abandoned: 'again' } as const
const CONSUMER = 'background-tasks'
const MAX_WAIT_MS = 2000
