import { withBackgroundTasks } from 'background-tasks'
import { bun } from 'background-tasks/bun'

Bun.serve({
  fetch: withBackgroundTasks(
    (request, tasks) => {
      tasks.add(console.log, request.url)
      return new Response()
    },
    { adapter: bun() },
  ),
})
Bun.serve({
  fetch: withBackgroundTasks(
    (_request: Request, _tasks, server: Bun.Server<undefined>) => new Response(String(server.port)),
  ),
})
Bun.serve({
  routes: {
    '/': withBackgroundTasks((request, tasks) => {
      tasks.add(console.log, request.url)
      return new Response()
    }),
    '/users/:id': withBackgroundTasks(
      (request: Bun.BunRequest<'/users/:id'>, _tasks) => new Response(request.params.id),
    ),
  },
})
