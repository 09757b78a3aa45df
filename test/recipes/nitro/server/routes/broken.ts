import { defineHandler } from 'nitro'

export default defineHandler(({ context }) => {
  context.tasks.add(console.log, 'task of /broken')
  throw new Error('This route is broken')
})
