/**
 * A Worker's test as `@cloudflare/vitest-pool-workers` has it, in real workerd. That package cannot be installed beside
 * this vitest, so `cloudflare:test` is stood in for, after its documentation: `waitOnExecutionContext(ctx)` waits until
 * all that was handed to `ctx.waitUntil` has settled.
 * https://developers.cloudflare.com/workers/testing/vitest-integration/test-apis/
 */
import { recordTasks } from '../../adapters/testing.ts'
import { withBackgroundTasks } from '../../src/index.ts'

class ExecutionContext {
  readonly promises: Promise<unknown>[] = []

  waitUntil(promise: Promise<unknown>): void {
    this.promises.push(promise)
  }
}

function createExecutionContext(): ExecutionContext {
  return new ExecutionContext()
}

async function waitOnExecutionContext({ promises }: ExecutionContext): Promise<void> {
  for (let settled = 0; settled < promises.length; ) {
    const batch = promises.slice(settled)
    settled = promises.length
    await Promise.all(batch)
  }
}

export async function scenario() {
  const log: string[] = []
  const recorder = recordTasks()
  const worker = {
    fetch: withBackgroundTasks(
      (_request, tasks, _env: object, ctx: ExecutionContext) => {
        tasks.add(function task() {
          log.push('task')
        })
        ctx.waitUntil(scheduler.wait(1).then(() => log.push("the handler's own")))
        return new Response('ok')
      },
      { adapter: recorder },
    ),
  }
  const ctx = createExecutionContext()
  await worker.fetch(new Request('http://localhost/'), {}, ctx)
  await waitOnExecutionContext(ctx)
  const waited = [...log]
  const pending = recorder.pending.map(({ name }) => name)
  const { succeeded } = await recorder.runAll({ throwErrors: true })
  return { registered: ctx.promises.length, waited, pending, after: log, succeeded }
}

declare const scheduler: { wait(ms: number): Promise<void> }
