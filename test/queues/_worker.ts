/** Starts workers in processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Kind } from './_open.ts'

export interface WorkerPlan {
  readonly kind: Kind
  readonly url: string
  readonly task: string
  readonly concurrency: number
  readonly attempts?: number
  /** Schedules the task as well. */
  readonly cron?: string
}

/** One run of a job; the scheduled ones have the number -1. */
export interface Run {
  readonly type: 'start' | 'done'
  readonly n: number
  readonly id: string
  readonly attempt: number
  readonly at: number
}

export type Said =
  | Run
  | { readonly type: 'error'; readonly message: string }
  | { readonly type: 'ready' }
  | { readonly type: 'closed'; readonly abandoned: number }

export interface WorkerProcess extends AsyncDisposable {
  /** What it said so far. */
  readonly said: Said[]
  /** The runs that it started, or has done. */
  runs(type: Run['type']): Run[]
  /** The numbers of the jobs that it started, or has done. */
  numbers(type: Run['type']): number[]
  /** As a crash does. */
  kill(): Promise<void>
  /** Closes the worker and the queue; resolves when the process has ended by itself. */
  close(): Promise<void>
}

/** Starts one; resolves when it works. */
export async function startWorker(plan: WorkerPlan): Promise<WorkerProcess> {
  const program = fileURLToPath(new URL('./_worker-process.ts', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [program, JSON.stringify(plan)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const said: Said[] = []
  let printed = ''
  child.stderr?.on('data', (chunk) => {
    printed += chunk
  })
  const exited = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  const ready = Promise.withResolvers<void>()
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  lines.on('line', (line) => {
    said.push(JSON.parse(line) as Said)
    if (said.at(-1)?.type === 'ready') ready.resolve()
  })
  exited.then(() => ready.reject(new Error(`the worker ended: ${printed}`)))
  ready.promise.catch(() => {})
  const late = setTimeout(() => ready.reject(new Error(`the worker was not ready within 20 s: ${printed}`)), 20_000)
  try {
    await ready.promise
  } catch (error) {
    await kill()
    throw error
  } finally {
    clearTimeout(late)
  }
  const runs = (type: Run['type']): Run[] => said.filter((one): one is Run => one.type === type)
  return {
    said,
    runs,
    numbers: (type) => runs(type).map(({ n }) => n),
    kill,
    async close() {
      child.stdin?.write('close\n')
      const [code] = await exited
      if (code !== 0 || printed) throw new Error(`the worker ended with ${code}: ${printed}`)
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await kill()
    },
  }
}
