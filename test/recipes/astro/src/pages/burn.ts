import type { APIRoute } from 'astro'
import { burn, chunks } from '../../work'

export const GET: APIRoute = ({ locals }) => {
  locals.tasks.add(burn)
  return new Response(chunks())
}
