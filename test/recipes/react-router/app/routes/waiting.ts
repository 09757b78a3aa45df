import type { LoaderFunctionArgs } from 'react-router'
import { waiting } from '../../work'
import { tasksContext } from '../context'

export async function loader({ context, request }: LoaderFunctionArgs) {
  context.get(tasksContext).add(console.log, 'task of /waiting')
  return new Response(await waiting(request.url))
}
