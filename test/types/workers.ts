import { withBackgroundTasks } from 'background-tasks'
import { workers } from 'background-tasks/workers'

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
export const fetches: ExportedHandler<Env>['fetch'][] = [annotated, withCf]

// Without, as the type of the export tells.
export default {
  fetch: withBackgroundTasks((request, tasks, env, ctx) => {
    tasks.add(touch, env.KV, request.url)
    ctx.passThroughOnException()
    // @ts-expect-error no such binding
    env.NONE
    return new Response()
  }),
} satisfies ExportedHandler<Env>

export const small = {
  fetch: withBackgroundTasks((request, _tasks) => new Response(request.url)),
} satisfies ExportedHandler
