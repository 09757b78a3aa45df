import { type LoaderFunctionArgs, redirect } from 'react-router'
import { tasksContext } from '../context'

export function loader({ context }: LoaderFunctionArgs) {
  context.get(tasksContext).add(console.log, 'task of /moved')
  throw redirect('/burn')
}
