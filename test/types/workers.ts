import { withBackgroundTasks } from 'background-tasks'
import { backgroundTasks } from 'background-tasks/hono'
import { workers } from 'background-tasks/workers'
import { Hono } from 'hono'

interface Env {
  KV: KVNamespace
}

async function touch(kv: KVNamespace, key: string): Promise<void> {
  await kv.put(key, 'touched')
}

// With annotations, also of Workers' own Request.
const annotated = withBackgroundTasks(
  async (request: Request, tasks, env: Env, _ctx: ExecutionContext) => {
    tasks.add(touch, env.KV, request.url)
    return new Response(await env.KV.get('key'))
  },
  { adapter: workers() },
)
const withCf = withBackgroundTasks(
  (request: Request<unknown, IncomingRequestCfProperties>, _tasks, _env: Env) => new Response(request.cf?.colo),
)
// Or said.
const said = withBackgroundTasks<[Env, ExecutionContext]>(
  (_request, _tasks, env, ctx) => {
    ctx.passThroughOnException()
    // @ts-expect-error no such binding
    env.NONE
    return new Response()
  },
  { adapter: workers() },
)
export const fetches: ExportedHandler<Env>['fetch'][] = [annotated, withCf, said]

const stranger = withBackgroundTasks((_request: Request, _tasks, env: { OTHER: string }) => new Response(env.OTHER))
// @ts-expect-error the env of another Worker
export const strange: ExportedHandler<Env>['fetch'] = stranger

// Without annotations, as the type of the export tells; an adapter takes nothing away from it.
export default {
  fetch: withBackgroundTasks((request, tasks, env, ctx) => {
    tasks.add(touch, env.KV, request.url)
    ctx.passThroughOnException()
    // @ts-expect-error no such binding
    env.NONE
    return new Response()
  }),
} satisfies ExportedHandler<Env>
export const withAdapter = {
  fetch: withBackgroundTasks(
    (_request, _tasks, env, ctx) => {
      ctx.passThroughOnException()
      // @ts-expect-error no such binding
      env.NONE
      return new Response()
    },
    { adapter: workers(), runOn: 'success' },
  ),
} satisfies ExportedHandler<Env>
export const small = {
  fetch: withBackgroundTasks((request, _tasks) => new Response(request.url)),
} satisfies ExportedHandler

const app = new Hono<{ Bindings: Env }>().use(backgroundTasks({ adapter: workers() }))
app.get('/', (c) => {
  c.var.tasks.add(touch, c.env.KV, c.req.url)
  return c.body(null)
})
export const hono = app satisfies ExportedHandler<Env>
