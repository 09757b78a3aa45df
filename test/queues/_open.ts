/** Queues by kind, for tests that any engine has to pass, and for workers in other processes. */
import type { TaskQueue } from 'background-tasks'
import type { EngineOptions } from '../../adapters/queues/_engine.ts'

export type Kind = 'memory' | 'postgres' | 'pglite' | 'redis' | 'rabbitmq'

/**
 * Makes a queue, which opens itself later.
 *
 * @param url of its server; of PGlite its directory
 */
export async function openQueue(kind: Kind, url: string, options: EngineOptions = {}): Promise<TaskQueue<any>> {
  switch (kind) {
    case 'memory':
      return (await import('../../adapters/queues/memory.ts')).memory(options)
    case 'postgres':
      return (await import('../../adapters/queues/pg-boss.ts')).pgBoss({ url, ...options })
    case 'pglite':
      return (await import('../../adapters/queues/pg-boss.ts')).pgBoss({ directory: url, ...options })
    case 'redis':
      return (await import('../../adapters/queues/bullmq.ts')).bullmq({ url, ...options })
    case 'rabbitmq':
      return (await import('../../adapters/queues/rabbitmq.ts')).rabbitmq({ url, ...options })
  }
}
