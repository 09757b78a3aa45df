/**
 * PostgreSQL inside this process, in a directory.
 *
 * @module
 */
import { load } from './_load.ts'
import type { PGliteModuleLike, PgBossLike, PgBossModuleLike } from './_pg-boss-like.ts'
import { idle, keeping, loadPgBoss, type Store, type StoreSettings, start, stop } from './_pg-store.ts'
import { lock } from './_pglite-lock.ts'

/**
 * Opens a directory, and makes it where there is none.
 *
 * @throws {QueueError} somebody else has it open
 */
export async function openPglite(directory: string, settings: StoreSettings): Promise<Store> {
  const { PgBoss, fromPglite } = await loadPgBoss<PgBossModuleLike>()
  const { PGlite } = await load<PGliteModuleLike>('@electric-sql/pglite', () => import('@electric-sql/pglite'))
  const unlock = await lock(directory)
  try {
    const pglite = await PGlite.create(directory)
    const common = { ...idle, db: fromPglite(pglite), backend: 'pglite', schema: settings.schema }
    const bosses = new Set<PgBossLike>()
    const close = async (): Promise<void> => {
      await Promise.all([...bosses].map(stop))
      await pglite.close()
    }
    const startOne = async (options: object): Promise<PgBossLike> => {
      const boss = await start(new PgBoss({ ...common, ...options }))
      bosses.add(boss)
      boss.on('stopped', () => bosses.delete(boss))
      return boss
    }
    try {
      return {
        boss: await startOne({}),
        isAlone: true,
        async transaction(work, deadline) {
          return (await pglite.transaction(async (transaction) => {
            const result = await work({
              executeSql: (text, values) =>
                values?.length ? transaction.query(text, values) : transaction.exec(text).then(joined),
            })
            deadline?.signal.throwIfAborted()
            return result
          })) as Awaited<ReturnType<typeof work>>
        },
        startKeeper: () => startOne(keeping(settings)),
        close: () => close().finally(unlock),
      }
    } catch (error) {
      await close()
      throw error
    }
  } catch (error) {
    await unlock()
    throw error
  }
}

/** The rows of several statements. */
function joined(results: { rows: any[] }[]): { rows: any[] } {
  return { rows: results.flatMap(({ rows }) => rows) }
}
