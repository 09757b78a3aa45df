/**
 * Runs the messages of a batch, each acknowledged or retried for itself.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import { guarded, QueueError } from '../../src/errors.ts'
import { bytesOf, MESSAGE_BYTES, type MessageLike, type Parcel, parcelOf } from './_cloudflare-message.ts'
import { within } from './_deadline.ts'
import type { Verdict } from './_engine.ts'
import { MAX_DEATHS } from './_job-run.ts'
import type { Output } from './_json.ts'
import type { Worker, WorkerHost } from './_worker.ts'

/** What a batch has of its queue. */
export interface BatchHost extends WorkerHost {
  /** Sends to the queue that it consumes. */
  send(body: string): Promise<unknown>
  /** Sends to where a task goes that has failed, if there is such a place. */
  readonly bury: ((body: string) => Promise<unknown>) | undefined
}

export class Batch {
  readonly #host: BatchHost
  readonly #tasks: ReadonlyMap<string, Task>
  readonly #worker: Worker

  constructor(host: BatchHost, tasks: ReadonlyMap<string, Task>, worker: Worker) {
    this.#host = host
    this.#tasks = tasks
    this.#worker = worker
  }

  /** One that fails must not make the handler reject: all of the batch would be retried. */
  async take(message: MessageLike): Promise<void> {
    const parcel = parcelOf(message.body)
    try {
      await this.#run(message, parcel)
    } catch (error) {
      const { id = message.id, task: name = 'unknown' } = parcel ?? {}
      const { attempts } = message
      // Later and later: what is wrong may be a deployment that is on its way, or one that was rolled back.
      message.retry({ delaySeconds: Math.min(10 * 2 ** (attempts - 1), 3600) })
      const { onError } = this.#worker.settings
      guarded('onError failed', () => onError(error, { id, name, attempt: attempts }))
    }
  }

  /** Rejects where the message has to be delivered once more, whatever its task says. */
  async #run(message: MessageLike, parcel: Parcel | undefined): Promise<void> {
    const { id, body, attempts } = message
    if (!parcel) throw new QueueError('Cannot run a message that this package did not send: it is retried later')
    const task = this.#tasks.get(parcel.task)
    if (!task) {
      const hope = 'it is retried later, as another deployment may know it'
      throw new QueueError(`Cannot run the task '${parcel.task}' as this consumer was not given it: ${hope}`)
    }
    const { attempts: allowed = 1 } = task.retry ?? this.#worker.settings.retry ?? {}
    if (attempts > allowed + MAX_DEATHS && !parcel.again) {
      // Perhaps most deliveries were to those who did not know the task, which nothing tells from deaths: it gets its
      // attempts once more.
      await within(this.#host.timeoutMs, this.#host.send(JSON.stringify({ ...parcel, again: true })))
      message.ack()
      return
    }
    const verdict = await this.#worker.perform(task, { id, text: String(body), attempt: attempts })
    try {
      await this.#settle(message, parcel, verdict)
    } catch (error) {
      verdict.settled(error)
      throw error
    }
    verdict.settled()
  }

  async #settle(message: MessageLike, parcel: Parcel, { type, output, delayMs }: Verdict): Promise<void> {
    const { bury, timeoutMs } = this.#host
    if (type === 'failed' && bury) {
      const { error } = JSON.parse(output) as Output
      const body = JSON.stringify({ ...parcel, again: undefined, attempts: message.attempts, error })
      const fitting = bytesOf(body) <= MESSAGE_BYTES ? body : String(message.body)
      await within(timeoutMs, bury(fitting)).catch((cause) => {
        const what = `Cannot send the failed task '${parcel.task}' to the dead letter queue`
        throw new QueueError(`${what}: it is run again later`, { cause })
      })
    }
    if (type === 'succeeded' || type === 'failed') message.ack()
    else message.retry({ delaySeconds: delayMs / 1000 })
  }
}
