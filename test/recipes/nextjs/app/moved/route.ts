import { redirect } from 'next/navigation'
import { withTasks } from '../../lib/tasks'

export const GET = withTasks((_request, tasks) => {
  tasks.add(console.log, 'task of /moved')
  redirect('/burn')
})
