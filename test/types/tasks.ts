import { type BackgroundTasks, type BackgroundTasksOptions, withBackgroundTasks } from 'background-tasks'
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
