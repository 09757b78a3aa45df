import type { LoaderFunctionArgs } from 'react-router'
import { tasksContext } from '../context'

export function loader({ context }: LoaderFunctionArgs) {
  context.get(tasksContext).add(console.log, 'task of /broken')
  throw new Error('This loader is broken')
}

export default function Broken() {
  return <p>Not to be seen</p>
}
