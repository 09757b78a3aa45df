import { redirect } from '@sveltejs/kit'
import type { RequestHandler } from './$types'

export const GET: RequestHandler = ({ locals }) => {
  locals.tasks.add(console.log, 'task of /moved')
  redirect(303, '/burn')
}
