/**
 * The same without a framework, for every server that takes `(request) => Response`.
 *
 *     npm install && npm run start:handler
 */
import { serve } from '@hono/node-server'
import { withBackgroundTasks } from 'background-tasks'
import { gracefulShutdown } from 'background-tasks/node'
import { sendWelcomeEmail } from './send.ts'

const handler = withBackgroundTasks(
  (_request, tasks) => {
    const id = crypto.randomUUID()
    try {
      tasks.add(sendWelcomeEmail, id)
    } catch (error) {
      if (error instanceof Error && error.name === 'TooManyTasksError') return tooBusy()
      throw error
    }
    return Response.json({ id }, { status: 201 })
  },
  { maxPending: 3 },
)

function tooBusy(): Response {
  return new Response('Too busy, come again', { status: 503, headers: { 'Retry-After': '1' } })
}

const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: handler, port }, (address) => console.log(`http://localhost:${address.port}`))

gracefulShutdown(server, handler, { timeoutMs: 8000 })
