/**
 * Schedules: BullMQ calls them job schedulers.
 *
 * @module
 */
import type { Task } from '../../src/define-task.ts'
import { refuse } from '../../src/rules.ts'
import type { BullModuleLike, BullQueueLike } from './_bullmq-like.ts'
import { nameOf, priorityOf } from './_bullmq-names.ts'

export interface Schedule {
  readonly key: string
  readonly cron: string
  readonly timezone: string
  /** The envelope of each tick. */
  readonly text: string
}

/** Whether it is already there, with its next tick. To replace it would drop that one, which may be due right now. */
export async function isScheduled(queue: BullQueueLike, { key, cron, timezone, text }: Schedule): Promise<boolean> {
  const id = nameOf(key)
  const current = await queue.getJobScheduler(id)
  if (current?.pattern !== cron || current.tz !== timezone) return false
  if (JSON.stringify(current.template?.data) !== text) return false
  return (await queue.getJob(`repeat:${id}:${current.next}`)) !== undefined
}

export async function putSchedule(queue: BullQueueLike, task: Task, schedule: Schedule): Promise<void> {
  const { key, cron, timezone, text } = schedule
  const template = { name: task.name, data: JSON.parse(text), opts: { priority: priorityOf(0) } }
  await queue.upsertJobScheduler(nameOf(key), { pattern: cron, tz: timezone }, template)
}

/** @throws {TypeError} the expression is wrong, or never due */
export function checkCron(bull: BullModuleLike, { name }: Task, cron: string, timezone: string): void {
  let why = 'it is never due'
  try {
    if (bull.getNextMillis(Date.now(), { pattern: cron, tz: timezone }) !== undefined) return
  } catch (error) {
    why = (error as Error).message
  }
  refuse('cron', `a cron expression that has a next time (${why})`, cron, `schedule the task '${name}'`)
}
