import {
  type BackgroundTasks,
  type BackgroundTasksOptions,
  defineTask,
  NonRetryableError,
  type PendingTask,
  type RetryPolicy,
  type Task,
  type TaskContext,
  TaskInputError,
  withBackgroundTasks,
} from 'background-tasks'
import { waitUntil } from 'background-tasks/wait-until'

declare const tasks: BackgroundTasks
declare const mailer: { send(to: string): Promise<number> }
declare function greet(name: string, times: number): void
declare function optional(name: string, times?: number): void
declare function rest(...numbers: number[]): void
declare function generic<T>(value: T, others: T[]): void
declare function overloaded(name: string): void
declare function overloaded(id: number, name: string): void

// The parameters of the function are the arguments of add.
tasks.add(greet, 'Ada', 2)
tasks.add(optional, 'Ada')
tasks.add(optional, 'Ada', 2)
tasks.add(rest, 1, 2, 3)
tasks.add(generic, 1, [2])
tasks.add(overloaded, 1, 'Ada')
tasks.add(() => {})
tasks.add(async (user: { id: number }) => user.id, { id: 1 })
tasks.add(console.log, 'a', 1)
tasks.add(mailer.send, 'Ada')
tasks.add(mailer.send.bind(mailer), 'Ada')
tasks.add(fetch, 'http://127.0.0.1/', { method: 'POST' })

// @ts-expect-error a missing argument
tasks.add(greet, 'Ada')
// @ts-expect-error an extra argument
tasks.add(greet, 'Ada', 2, 3)
// @ts-expect-error an argument for a function that takes none
tasks.add(() => {}, 1)
// @ts-expect-error a wrong argument
tasks.add(greet, 'Ada', '2')
// @ts-expect-error a wrong argument for an optional parameter
tasks.add(optional, 'Ada', '2')
// @ts-expect-error a wrong argument for a rest parameter
tasks.add(rest, 1, '2')
// @ts-expect-error a wrong argument for a method
tasks.add(mailer.send, 1)
// @ts-expect-error a wrong argument for a lambda
tasks.add((id: number) => id, 'Ada')
// @ts-expect-error a promise
tasks.add(Promise.resolve())
// @ts-expect-error no function
tasks.add(1)
// @ts-expect-error nothing
tasks.add()
// @ts-expect-error size is read-only
tasks.size = 0
// @ts-expect-error pending is read-only
tasks.pending.push({ id: '', name: '', args: [] })

interface Env {
  KEY: string
}
interface Context {
  waitUntil(promise: Promise<unknown>): void
}
declare const context: Context

// What the host passes flows through, inferred from the annotations.
const inferred = withBackgroundTasks((_request: Request, _tasks, env: Env) => new Response(env.KEY))
inferred(new Request('http://localhost/'), { KEY: '' })
// @ts-expect-error env is missing
inferred(new Request('http://localhost/'))

// Or said.
const said = withBackgroundTasks<[Env, Context]>(
  (_request, _tasks, env, ctx) => {
    ctx.waitUntil(Promise.resolve())
    return new Response(env.KEY)
  },
  { adapter: waitUntil((call) => call.platform[1]) },
)
// @ts-expect-error an Env has no waitUntil
withBackgroundTasks<[Env]>(() => new Response(), { adapter: waitUntil((call) => call.platform[0]) })
withBackgroundTasks(
  (_request: Request, _tasks: BackgroundTasks, _env: Env, ctx: Context) => new Response(String(ctx)),
  {
    // What the handler says its host passes, the adapter sees.
    adapter: waitUntil((call) => call.platform[1] satisfies Context),
  },
)
const answer: Response | Promise<Response> = said(new Request('http://localhost/'), { KEY: '' }, context)
const drained: Promise<{ succeeded: number; abandoned: { id: string; name: string }[] }> = said.drain({ timeoutMs: 1 })

export { answer, drained }

const handler = (): Response => new Response()
withBackgroundTasks(handler, { runOn: ({ status = 0, threw }) => !threw && status < 300 })
withBackgroundTasks(handler, { onError: async (error, { id, name, attempt }) => console.log(error, id, name, attempt) })
// @ts-expect-error no such name
withBackgroundTasks(handler, { runOn: 'succes' })
// @ts-expect-error no such option
withBackgroundTasks(handler, { onerror: () => {} })
// @ts-expect-error a handler returns a Response
withBackgroundTasks(() => 'text')
export const options: BackgroundTasksOptions = { concurrency: 2, observer: (event) => console.log(event.durationMs) }

// The input of a task is what its function takes, and the last parameter of add.
const greetTask = defineTask({
  name: 'greet',
  retry: { attempts: 5 },
  timeoutMs: 10_000,
  runOn: ({ threw, delivery }) => !threw && delivery === 'flushed',
  run: async (to: string, context) => {
    context satisfies TaskContext
    context.signal satisfies AbortSignal
    // @ts-expect-error the context is read-only
    context.attempt = 2
    return to.length
  },
})
greetTask satisfies Task<string, number>
greetTask.retry satisfies RetryPolicy | undefined
const id: string = tasks.add(greetTask, 'Ada')
tasks.add(greetTask, 'Ada', { id })
// @ts-expect-error the input is missing
tasks.add(greetTask)
// @ts-expect-error a wrong input
tasks.add(greetTask, 1)
// @ts-expect-error an input of undefined where that is none
tasks.add(greetTask, undefined)
// @ts-expect-error an id that is no string
tasks.add(greetTask, 'Ada', { id: 1 })
// @ts-expect-error no such option
tasks.add(greetTask, 'Ada', { key: 'one' })
// @ts-expect-error one argument too many
tasks.add(greetTask, 'Ada', {}, 1)
// @ts-expect-error a function has no id
const none: string = tasks.add(greet, 'Ada', 2)

// The input may be left out where it may be undefined.
const tick = defineTask({ name: 'tick', run: () => 1 })
tick satisfies Task<undefined, number>
tasks.add(tick)
tasks.add(tick, undefined, { id: 'one' })
// @ts-expect-error an input for a task that takes none
tasks.add(tick, 1)
const maybe = defineTask({ name: 'maybe', run: (input: { to: string } | undefined) => input?.to })
tasks.add(maybe)
tasks.add(maybe, { to: 'Ada' })
// @ts-expect-error a wrong input
tasks.add(maybe, { to: 1 })
const union = defineTask({ name: 'union', run: (input: 'one' | 'two') => input })
tasks.add(union, 'two')
// @ts-expect-error neither of them
tasks.add(union, 'three')
const typed = defineTask<{ to: string }, void>({ name: 'typed', run: ({ to }) => console.log(to) })
tasks.add(typed, { to: 'Ada' })

// Tasks of any kind have one type.
const all: Task[] = [greetTask, tick, maybe, typed]
for (const each of all) tasks.add(each, {})

// @ts-expect-error a task has a name
defineTask({ run: () => {} })
// @ts-expect-error a task has something to do
defineTask({ name: 'task' })
// @ts-expect-error no such rule
defineTask({ name: 'task', run: () => {}, runOn: 'never' })
// @ts-expect-error no such option of retry
defineTask({ name: 'task', run: () => {}, retry: { times: 3 } })
// @ts-expect-error a string is no duration
defineTask({ name: 'task', run: () => {}, timeoutMs: '1s' })
// @ts-expect-error no Standard Schema
defineTask({ name: 'task', run: () => {}, input: { type: 'object' } })
// @ts-expect-error a task is read-only
greetTask.name = 'other'
// @ts-expect-error a task is not called
greetTask('Ada')

withBackgroundTasks(handler, { retry: { attempts: 3, delayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 }, timeoutMs: 1 })
// @ts-expect-error no such option of retry
withBackgroundTasks(handler, { retry: { times: 3 } })

new NonRetryableError('gone', { cause: new Error('why') }) satisfies Error
declare const caught: unknown
if (caught instanceof TaskInputError) console.log(caught.issues[0]?.message, caught.issues[0]?.path)

// What is used comes back as what it is.
declare const connection: AsyncDisposable & { query(text: string): void }
declare const file: Disposable & { write(text: string): void }
tasks.use(connection).query('select 1')
tasks.use(file).write('')
// @ts-expect-error nothing to dispose of
tasks.use({})
// @ts-expect-error a promise of a resource
tasks.use(Promise.resolve(file))

declare const pending: PendingTask
pending.args satisfies readonly unknown[]
pending.input satisfies unknown
// @ts-expect-error what is pending is read-only
pending.input = 1

export { none }
