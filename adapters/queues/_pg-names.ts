/**
 * What tasks and ids are called in pg-boss, and how its workers are woken.
 *
 * @module
 */
import type { SqlTransaction } from './_pg-boss-like.ts'

interface HashLike {
  update(text: string): HashLike
  digest(encoding: 'hex'): string
}

// pg-boss itself needs a Node that has it.
const { process } = globalThis as unknown as {
  process: { getBuiltinModule(name: 'node:crypto'): { createHash(name: 'sha256'): HashLike } }
}

/** The name of a queue or key: pg-boss allows few characters, so a slash and four digits stand for any other unit. */
export function nameOf(text: string): string {
  return text.replace(/[^\w.-]/g, (unit) => `/${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The UUID, of version 8, of a task's id. */
export function uuidOf(task: string, id: string): string {
  // JSON escapes lone surrogates, which as UTF-8 would all be the same.
  const text = JSON.stringify([task, id])
  const digits = process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('hex')
  const variant = (8 + (Number.parseInt(digits.charAt(16), 16) % 4)).toString(16)
  return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, `$1-$2-8$3-${variant}$4-$5`)
}

export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}

/** Where workers hear of new jobs. Our own, as pg-boss names its channel to nobody but itself. */
export const CHANNEL = 'background_tasks'

/** Tells the workers of these queues, when the transaction is committed. */
export async function announce(db: SqlTransaction, queues: readonly string[]): Promise<void> {
  // Without values, so that every kind of `db` takes it: the names need no quoting.
  if (queues.length > 0)
    await db.executeSql(queues.map((queue) => `select pg_notify('${CHANNEL}', '${queue}')`).join(';'))
}
