import { withTasks } from '../../lib/tasks'
import { burn, chunks } from '../../work'

export const GET = withTasks((_request, tasks) => {
  tasks.add(burn)
  return new Response(chunks())
})
