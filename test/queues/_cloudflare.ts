/** Runs a Worker with its queues in real workerd. */
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'

export interface StartedWorker extends AsyncDisposable {
  readonly miniflare: Miniflare
  /** What it printed as a warning or an error, without what a test took. */
  readonly printed: string[]
  /** Sends a request, and gives the JSON of the answer. */
  json(path: string, body?: unknown): Promise<any>
}

/**
 * Starts one.
 *
 * @param file its module, from here
 * @param queues the name of each queue, by its binding
 * @param consumed the names of those that it consumes
 */
export async function startWorker(
  file: string,
  queues: Record<string, string> = {},
  consumed: readonly string[] = [],
): Promise<StartedWorker> {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL(file, import.meta.url))],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    external: ['cloudflare:*'],
    write: false,
  })
  const printed: string[] = []
  const miniflare = new Miniflare({
    modules: true,
    script: bundle.outputFiles[0]?.text ?? '',
    compatibilityDate: '2026-07-01',
    cf: false,
    queueProducers: queues,
    queueConsumers: Object.fromEntries(
      consumed.map((name) => [name, { maxBatchSize: 10, maxBatchTimeout: 0.1, maxRetries: 100 }]),
    ),
    handleStructuredLogs: ({ level, message }: { level: string; message: string }) => {
      if (level === 'error' || level === 'warn') printed.push(message)
    },
  })
  await miniflare.ready
  return {
    miniflare,
    printed,
    async json(path, body) {
      const response = await miniflare.dispatchFetch(`http://localhost${path}`, {
        method: 'POST',
        body: JSON.stringify(body ?? null),
      })
      const text = await response.text()
      try {
        return JSON.parse(text)
      } catch {
        throw new Error(`${path} answered ${response.status}: ${text}`)
      }
    },
    [Symbol.asyncDispose]: () => miniflare.dispose(),
  }
}
