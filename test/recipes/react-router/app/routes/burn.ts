import type { LoaderFunctionArgs } from 'react-router'
import { burn, chunks } from '../../work'
import { tasksContext } from '../context'

export function loader({ context }: LoaderFunctionArgs) {
  context.get(tasksContext).add(burn)
  return new Response(chunks())
}
