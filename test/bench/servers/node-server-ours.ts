import { withBackgroundTasks } from 'background-tasks'
import { serve } from './_node-server.ts'
import { work } from './_work.ts'

serve(
  withBackgroundTasks((request: Request, tasks) => Response.json(work(request.url, (task, n) => tasks.add(task, n)))),
)
