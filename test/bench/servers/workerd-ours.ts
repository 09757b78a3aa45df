import { withBackgroundTasks } from 'background-tasks'
import { work } from './_work.ts'
import { worker } from './_worker.ts'

export default worker(
  withBackgroundTasks((request: Request, tasks) => Response.json(work(request.url, (task, n) => tasks.add(task, n)))),
)
