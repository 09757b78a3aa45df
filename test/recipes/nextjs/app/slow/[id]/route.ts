import { setTimeout } from 'node:timers/promises'
import { withTasks } from '../../../lib/tasks'

export const GET = withTasks(async (_request, tasks, { params }: { params: Promise<{ id: string }> }) => {
  tasks.add(
    async (id: string) => {
      console.log('started', id)
      await setTimeout(500)
      console.log('ended', id)
    },
    (await params).id,
  )
  return new Response('slow')
})
