/**
 * What the host has to give for threads.
 *
 * @module
 */
import type { PiscinaLike } from './_thread-pool.ts'

/** The part of the package that is used. */
export interface PiscinaModuleLike {
  readonly Piscina: new (options: object) => PiscinaLike
}

const host = globalThis as {
  navigator?: { userAgent?: string }
  process?: {
    versions?: { node?: string }
    getBuiltinModule?(name: 'node:os'): { availableParallelism?(): number } | undefined
  }
}

/** How many processors this process may use; before Node 20.16 nobody tells. */
export function processors(): number {
  return host.process?.getBuiltinModule?.('node:os')?.availableParallelism?.() ?? 2
}

/** Makes a pool of piscina's, which has no thread yet. */
export async function open(
  load: () => Promise<PiscinaModuleLike>,
  maxThreads: number,
  idleTimeout: number,
): Promise<PiscinaLike> {
  const { url } = import.meta
  if (!host.process?.versions?.node || host.navigator?.userAgent === 'Cloudflare-Workers') {
    throw new Error('Cannot run in a thread as this host has none: that takes Node, Deno or Bun')
  }
  if (!url.startsWith('file:')) {
    throw new Error(`Cannot run in a thread as this module must come from a file, by npm: it comes from ${url}`)
  }
  const { Piscina } = await load()
  const filename = new URL(`./_thread-worker.${url.endsWith('.ts') ? 'ts' : 'js'}`, url).href
  // 'disabled', as otherwise the event loop of an idle thread stands still, with all that the module has started there.
  return new Piscina({
    filename,
    name: 'runJob',
    minThreads: 0,
    maxThreads,
    idleTimeout,
    atomics: 'disabled',
    recordTiming: false,
  })
}
