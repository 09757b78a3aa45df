/** What the tests of pg-boss need beside the queue. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import type { Kind } from './_open.ts'

/** A connection to a PostgreSQL, as its tables are seen by others. */
export interface Connection extends AsyncDisposable {
  sql(text: string, values?: unknown[]): Promise<any[]>
  /** As a transaction for a queue. */
  executeSql(text: string, values?: unknown[]): Promise<{ rows: any[] }>
}

export async function connect(url: string): Promise<Connection> {
  const client = new Client(url)
  client.on('error', () => {})
  await client.connect()
  return {
    sql: async (text, values) => (await client.query(text, values)).rows,
    executeSql: (text, values) => client.query(text, values),
    [Symbol.asyncDispose]: () => client.end(),
  }
}

export interface EnqueuePlan {
  readonly kind: Kind
  readonly url: string
  readonly task: string
  readonly count: number
  /** How long each task takes. */
  readonly ms?: number
  /** Before it closes the queue: to be killed, or for a line. */
  readonly waits: boolean
}

export interface Enqueuer extends AsyncDisposable {
  /** `enqueued`, or the error. */
  readonly said: string
  readonly pid: number
  kill(): Promise<void>
  /** Has it close its queue; resolves with its exit code when it has ended by itself. */
  close(): Promise<number | null>
}

/** Starts a process that enqueues; resolves when it has, or could not. */
export async function startEnqueuer(plan: EnqueuePlan): Promise<Enqueuer> {
  const program = fileURLToPath(new URL('./_pg-process.ts', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [program, JSON.stringify(plan)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  const line = once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line')
  const said = await Promise.race([line, exited.then(([code]) => [`it ended with ${code}`])])
  return {
    said: said[0] as string,
    pid: child.pid as number,
    kill,
    async close() {
      child.stdin?.write('close\n')
      const [code] = await exited
      return code
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await kill()
    },
  }
}
