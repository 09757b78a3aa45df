import type { PageServerLoad } from './$types'

export const load: PageServerLoad = ({ locals, isDataRequest }) => {
  locals.tasks.add(console.log, isDataRequest ? 'task of the data' : 'task of the page')
  throw new Error('This load is broken')
}
