/** A handler that is called while the modules are still being evaluated. */
import { currentTasks, withTaskContext } from '../../adapters/context.ts'
import { withBackgroundTasks } from '../../src/index.ts'

const handler = withBackgroundTasks(withTaskContext((_request, tasks) => Response.json(currentTasks() === tasks)))
const response = handler(new Request('http://localhost/'))

export async function scenario() {
  return { atOnce: response instanceof Response, sameList: await (await response).json() }
}
