import { burn, chunks } from '../../../work'
import type { RequestHandler } from './$types'

export const GET: RequestHandler = ({ locals }) => {
  locals.tasks.add(burn)
  return new Response(chunks())
}
