/**
 * What happens to tasks, on the channels of `node:diagnostics_channel`.
 *
 * @module
 */
import type { Observer, TaskEvent } from '../../src/observer.ts'

interface ChannelLike {
  readonly hasSubscribers: unknown
  publish(message: unknown): void
}

interface HostLike {
  readonly process?: {
    getBuiltinModule?(name: string): { channel(name: string): ChannelLike } | undefined
  }
}

/**
 * Publishes every event of a task on a channel of its type: `background-tasks.added`, `background-tasks.started`,
 * `background-tasks.retrying`, `background-tasks.succeeded`, `background-tasks.failed`, `background-tasks.discarded` and
 * `background-tasks.abandoned`. The message is the `TaskEvent`; without a subscriber nothing is published.
 *
 * Subscribers are called synchronously, in the async context of the task; those of `added` in that of the `add` call.
 * What one throws is an uncaught exception of the process, as with any channel.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * import { withBackgroundTasks } from 'background-tasks'
 * import { diagnosticsChannel } from 'background-tasks/observers/diagnostics-channel'
 *
 * subscribe('background-tasks.failed', (event) => console.log('failed:', event))
 *
 * export const handler = withBackgroundTasks(
 *   (request, tasks) => {
 *     tasks.add(console.log, 'after the response:', request.url)
 *     return new Response('at once')
 *   },
 *   { observer: diagnosticsChannel() },
 * )
 * ```
 *
 * @returns an observer, which may serve several wrappers
 * @throws {Error} the host has no diagnostics channels, or no `process.getBuiltinModule` to reach them: Node before 20.16
 * and 22.3, Workers without the compatibility flag `nodejs_compat`, browsers
 */
export function diagnosticsChannel(): Observer {
  const diagnostics = (globalThis as HostLike).process?.getBuiltinModule?.('node:diagnostics_channel')
  if (!diagnostics) {
    throw new Error(
      "Cannot create the diagnostics channels as process.getBuiltinModule('node:diagnostics_channel') must give them: " +
        'use Node 20.16, 22.3 or newer, Deno, Bun, or Workers with the compatibility flag nodejs_compat',
    )
  }
  const channel = (type: TaskEvent['type']): ChannelLike => diagnostics.channel(`background-tasks.${type}`)
  const channels: Record<TaskEvent['type'], ChannelLike> = {
    added: channel('added'),
    started: channel('started'),
    retrying: channel('retrying'),
    succeeded: channel('succeeded'),
    failed: channel('failed'),
    discarded: channel('discarded'),
    abandoned: channel('abandoned'),
  }
  return (event) => {
    const { [event.type]: channel } = channels
    if (channel.hasSubscribers) channel.publish(event)
  }
}
