/**
 * The parts of bullmq and ioredis that are used. Their own types ask for those of Node, which must not be asked of everybody.
 *
 * @module
 */
import { load } from './_load.ts'

/** A client of ioredis: one connection. */
export interface RedisLike {
  readonly status: string
  /** Its socket. */
  readonly stream: { setMaxListeners(count: number): unknown }
  on(event: string, listener: (detail: any) => void): unknown
  off(event: string, listener: (detail: any) => void): unknown
  connect(): Promise<void>
  disconnect(): void
  duplicate(options: object): RedisLike
  ping(): Promise<unknown>
  watch(key: string): Promise<unknown>
  get(key: string): Promise<string | null>
  hset(key: string, field: string, value: number): Promise<unknown>
  set(key: string, value: string, ...options: (string | number)[]): Promise<string | null>
}

export interface RedisModuleLike {
  readonly Redis: new (...where: (string | object)[]) => RedisLike
}

/** What is sent as a whole; executed with `null` where a watched key has changed. */
export interface TransactionLike {
  exec(): Promise<[error: Error | null, answer: unknown][] | null>
}

export interface BullJobOptions {
  readonly jobId?: string
  readonly priority: number
  readonly delay?: number
}

/** What BullMQ does in an answer of the server that brings the next job along. */
export type Move = (value: any, token: string, fetchNext?: boolean) => Promise<unknown>

export interface BullJobLike {
  readonly id: string
  readonly data: unknown
  readonly attemptsStarted: number
  readonly attemptsMade: number
  readonly timestamp: number
  readonly processedOn?: number | undefined
  readonly finishedOn?: number | undefined
  readonly failedReason?: string | undefined
  readonly returnvalue: unknown
  opts: object
  moveToCompleted: Move
  moveToFailed: Move
  addJob(transaction: TransactionLike): Promise<unknown>
  getState(): Promise<string>
}

export interface BackendLike {
  toKey(type: string): string
  isJobInState(state: string, id: string): Promise<boolean>
  moveStalledJobsToWait(): Promise<unknown>
  cleanJobsByState(state: 'completed' | 'failed', before: number, limit: number): Promise<unknown>
}

export interface SchedulerLike {
  readonly pattern?: string
  readonly tz?: string
  readonly next?: number | null
  readonly template?: { readonly data?: unknown }
}

export interface BullQueueLike {
  on(event: 'error', listener: () => void): unknown
  waitUntilReady(): Promise<unknown>
  getBackend(): BackendLike
  getJob(id: string): Promise<BullJobLike | undefined>
  getJobState(id: string): Promise<string>
  getJobScheduler(id: string): Promise<SchedulerLike | undefined>
  upsertJobScheduler(id: string, repeat: object, template: object): Promise<unknown>
  removeJobScheduler(id: string): Promise<unknown>
}

export interface BullWorkerLike {
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'lockRenewalFailed', listener: (ids: string[]) => void): unknown
  waitUntilReady(): Promise<unknown>
  getBackend(): BackendLike
  run(): Promise<void>
  pause(): Promise<void>
  close(force: boolean): Promise<void>
}

export interface BullModuleLike {
  readonly Queue: new (name: string, options: object) => BullQueueLike
  readonly Job: new (
    queue: BullQueueLike,
    name: string,
    data: unknown,
    options: BullJobOptions,
    id: string,
  ) => BullJobLike
  readonly Worker: new (
    name: string,
    processor: (job: BullJobLike, token: string) => Promise<unknown>,
    options: object,
  ) => BullWorkerLike
  createIORedisClient(client: RedisLike): { multi(): TransactionLike }
  /** When a cron expression is due next; undefined for never. */
  getNextMillis(after: number, repeat: { readonly pattern: string; readonly tz: string }): number | undefined
}

export const loadBull = (): Promise<BullModuleLike> => load('bullmq', () => import('bullmq'))
export const loadRedis = (): Promise<RedisModuleLike> => load('ioredis', () => import('ioredis'))
