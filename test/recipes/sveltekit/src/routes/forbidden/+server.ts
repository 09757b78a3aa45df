import { error } from '@sveltejs/kit'
import type { RequestHandler } from './$types'

export const GET: RequestHandler = ({ locals }) => {
  locals.tasks.add(console.log, 'task of /forbidden')
  error(403, 'Not yours')
}
