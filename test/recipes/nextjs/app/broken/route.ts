import { withTasks } from '../../lib/tasks'

export const GET = withTasks((_request, tasks) => {
  tasks.add(console.log, 'task of /broken')
  throw new Error('This route is broken')
})
