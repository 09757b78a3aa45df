import { withBackgroundTasks } from 'background-tasks'
import { deno } from 'background-tasks/deno'

Deno.serve(
  withBackgroundTasks((request, tasks) => {
    tasks.add(console.log, request.url)
    return new Response()
  }),
)
Deno.serve(
  { port: 0 },
  withBackgroundTasks(
    (_request, _tasks, info) => {
      info.completed satisfies Promise<void>
      // @ts-expect-error no such member
      info.none
      return new Response()
    },
    { adapter: deno() },
  ),
)
Deno.serve(
  withBackgroundTasks(
    (_request: Request, _tasks, info: Deno.ServeHandlerInfo) => new Response(info.remoteAddr.transport),
  ),
)
export default { fetch: withBackgroundTasks((_request, _tasks) => new Response()) } satisfies Deno.ServeDefaultExport
