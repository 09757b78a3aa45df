import { defineHandler } from 'nitro'
import { waiting } from '../../work'

export default defineHandler(({ context, req }) => {
  context.tasks.add(console.log, 'task of /waiting')
  return waiting(req.url)
})
