import type { RequestHandler } from './$types'

export const GET: RequestHandler = ({ locals }) => {
  locals.tasks.add(console.log, 'task of /broken')
  throw new Error('This route is broken')
}
