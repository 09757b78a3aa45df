/** The same work by an engine through this package, and by the engine itself as its documentation has it fastest. */

import { connect } from 'amqplib'
import { defineTask } from 'background-tasks'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { PgBoss } from 'pg-boss'
import { type Kind, openQueue } from '../queues/_open.ts'

export interface Side {
  readonly name: string
  /** Enqueues jobs with these numbers, and waits until the engine has them. */
  enqueue(numbers: readonly number[]): Promise<void>
  /** Starts a worker, which tells of each job when it starts. */
  work(concurrency: number, started: (n: number) => void): Promise<void>
  close(): Promise<void>
}

/** A queue that nobody has used yet. */
export type OpenSide = (url: string, queue: string) => Promise<Side>

export function ours(kind: Kind): OpenSide {
  return async (url, name) => {
    const queue = await openQueue(kind, url)
    let started: (n: number) => void = () => {}
    const task = defineTask({ name, run: async (n: number) => started(n) })
    await queue.ready()
    return {
      name: 'ours',
      async enqueue(numbers) {
        // The engine has no batches. Ours would be one message, whose jobs the worker has to publish again.
        if (kind === 'rabbitmq') await Promise.all(numbers.map((input) => queue.enqueue(task, input)))
        else await queue.enqueueAll(numbers.map((input) => ({ task, input })))
      },
      async work(concurrency, tell) {
        started = tell
        await queue.work([task], { concurrency })
      },
      close: () => queue.close(),
    }
  }
}

/** One job at a time for each of many workers, which are woken by NOTIFY and after every job. */
const pgBossSingles: OpenSide = async (url, name) => {
  const boss = new PgBoss({ connectionString: url, useListenNotify: true })
  boss.on('error', console.error)
  await boss.start()
  await boss.createQueue(name, { notify: true })
  return {
    name: 'pg-boss, woken after every job',
    async enqueue(numbers) {
      await boss.insert(
        name,
        numbers.map((n) => ({ data: { n } })),
      )
    },
    async work(concurrency, started) {
      for (let count = 0; count < concurrency; count++) {
        const id: string = await boss.work<{ n: number }>(name, { pollingIntervalSeconds: 0.5 }, async ([job]) => {
          started(job?.data.n ?? -1)
          boss.notifyWorker(id)
        })
      }
    },
    close: () => boss.stop({ graceful: false }),
  }
}

/** Batches whose jobs end one by one. */
const pgBossBatches: OpenSide = async (url, name) => {
  const side = await pgBossSingles(url, name)
  const boss = new PgBoss({ connectionString: url, useListenNotify: true })
  boss.on('error', console.error)
  await boss.start()
  return {
    name: 'pg-boss, in batches with a result for each job',
    enqueue: side.enqueue,
    async work(batchSize, started) {
      const options = { batchSize, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5, perJobResults: true as const }
      await boss.work<{ n: number }>(name, options, async (jobs) => {
        for (const { data } of jobs) started(data.n)
        return jobs.map(({ id }) => ({ id, status: 'completed' as const }))
      })
    },
    async close() {
      await boss.stop({ graceful: false })
      await side.close()
    },
  }
}

const bullmq: OpenSide = async (url, name) => {
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: { age: 604_800 } } })
  await queue.waitUntilReady()
  let worker: Worker | undefined
  return {
    name: 'BullMQ',
    async enqueue(numbers) {
      await queue.addBulk(numbers.map((n) => ({ name, data: { n } })))
    },
    async work(concurrency, started) {
      worker = new Worker(name, async ({ data }) => started(data.n), { connection, concurrency })
      await worker.waitUntilReady()
    },
    async close() {
      await worker?.close(true)
      await queue.close()
      connection.disconnect()
    },
  }
}

const rabbitmq: OpenSide = async (url, name) => {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(name, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  return {
    name: 'amqplib, with confirms',
    async enqueue(numbers) {
      for (const n of numbers)
        channel.sendToQueue(name, Buffer.from(JSON.stringify({ n })), { persistent: true, mandatory: true })
      await channel.waitForConfirms()
    },
    async work(concurrency, started) {
      await channel.prefetch(concurrency)
      await channel.consume(name, (message) => {
        if (!message) return
        started(JSON.parse(message.content.toString()).n)
        channel.ack(message)
      })
    },
    close: () => connection.close(),
  }
}

/** Those of which the fastest is what ours is compared with. */
export const bareSides: Partial<Record<Kind, readonly OpenSide[]>> = {
  postgres: [pgBossSingles, pgBossBatches],
  redis: [bullmq],
  rabbitmq: [rabbitmq],
}
