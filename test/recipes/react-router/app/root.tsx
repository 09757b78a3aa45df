import { Outlet } from 'react-router'
import { tasks } from './tasks.server'

export const middleware = tasks

export default function Root() {
  return (
    <html lang="en">
      <body>
        <Outlet />
      </body>
    </html>
  )
}
