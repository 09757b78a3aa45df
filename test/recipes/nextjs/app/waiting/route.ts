import { withTasks } from '../../lib/tasks'
import { waiting } from '../../work'

export const GET = withTasks(async (request, tasks) => {
  tasks.add(console.log, 'task of /waiting')
  return new Response(await waiting(request.url))
})
