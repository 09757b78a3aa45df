import { waiting } from '../../../work'
import type { RequestHandler } from './$types'

export const GET: RequestHandler = async ({ locals, request }) => {
  locals.tasks.add(console.log, 'task of /waiting')
  return new Response(await waiting(request.url))
}
