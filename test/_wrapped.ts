/** A wrapped handler with its log of events. */
import {
  type BackgroundTasks,
  type BackgroundTasksOptions,
  type TaskEvent,
  type WrappedHandler,
  withBackgroundTasks,
} from '../src/index.ts'

export interface Wrapped {
  readonly handler: WrappedHandler<any[]>
  readonly events: TaskEvent[]
  /** `type name` of each event, in order. */
  readonly log: () => string[]
  /** Calls the handler with a fresh request. */
  readonly call: () => Response | Promise<Response>
}

/** Wraps a handler, observed; errors of tasks are not printed. */
export function wrapped(
  handler: (tasks: BackgroundTasks, ...platform: any[]) => unknown,
  options: BackgroundTasksOptions = {},
): Wrapped {
  const events: TaskEvent[] = []
  const observer = (event: TaskEvent): void => void events.push(event)
  const wrappedHandler = withBackgroundTasks<any[]>(
    (_request, tasks, ...platform) => handler(tasks, ...platform) as Response,
    { onError: () => {}, observer, ...options },
  )
  return {
    handler: wrappedHandler,
    events,
    log: () => events.map(({ type, task }) => `${type} ${task.name}`),
    call: () => wrappedHandler(new Request('http://localhost/')),
  }
}

/** The events that end a task. */
export function endsOf(events: readonly TaskEvent[]): TaskEvent[] {
  return events.filter(({ type }) => ['succeeded', 'failed', 'discarded', 'abandoned'].includes(type))
}

/** A promise and what settles it. */
export function deferred<T = void>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: unknown) => void
} {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((res, rej) => {
    resolve = res
    reject = rej
  })
  return { promise, resolve, reject }
}

/** The next turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** What the handlers of these tests answer. */
export function ok(): Response {
  return new Response('ok')
}
