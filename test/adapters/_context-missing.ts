/** What works without async context. */
import { addTask, currentTasks } from '../../adapters/context.ts'
import { withBackgroundTasks } from '../../src/index.ts'

export async function scenario() {
  const handler = withBackgroundTasks(() => new Response('ok'))
  let added = 'added'
  try {
    addTask(() => {})
  } catch (error) {
    added = String(error)
  }
  const response = await handler(new Request('http://localhost/'))
  return { without: await response.text(), current: String(currentTasks()), added }
}
