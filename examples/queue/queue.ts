/**
 * The engine, chosen by one line: a folder on disk, PostgreSQL (QUEUE=postgres) or Redis (QUEUE=redis).
 */
import { bullmq } from 'background-tasks/queues/bullmq'
import { pgBoss } from 'background-tasks/queues/pg-boss'

const { QUEUE, DATABASE_URL = 'postgres://localhost/app', REDIS_URL = 'redis://localhost:6379' } = process.env

const engines = {
  folder: () => pgBoss({ directory: './data' }),
  postgres: () => pgBoss({ url: DATABASE_URL }),
  redis: () => bullmq({ url: REDIS_URL }),
}

export const queue = engines[(QUEUE ?? 'folder') as keyof typeof engines]()
