import type { APIRoute } from 'astro'
import { waiting } from '../../work'

export const GET: APIRoute = async ({ locals, request }) => {
  locals.tasks.add(console.log, 'task of /waiting')
  return new Response(await waiting(request.url))
}
