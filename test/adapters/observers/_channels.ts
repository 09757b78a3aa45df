/** Subscribes to two channels and runs two tasks, in any runtime. */
import { subscribe } from 'node:diagnostics_channel'
import { diagnosticsChannel } from '../../../adapters/observers/diagnostics-channel.ts'
import { type TaskEvent, withBackgroundTasks } from '../../../src/index.ts'

export async function main(): Promise<string[]> {
  const log: string[] = []
  const write = (message: unknown, channel: string | symbol): void => {
    const { task, error } = message as TaskEvent
    log.push(`${String(channel)} ${task.name}${error ? `: ${(error as Error).message}` : ''}`)
  }
  subscribe('background-tasks.started', write)
  subscribe('background-tasks.failed', write)
  const handler = withBackgroundTasks(
    (_request, tasks) => {
      tasks.add(function good() {})
      tasks.add(function bad() {
        throw new Error('no')
      })
      return new Response('ok')
    },
    { observer: diagnosticsChannel(), onError: () => {} },
  )
  await handler(new Request('http://localhost/'))
  await handler.drain()
  return log
}
