import { setTimeout } from 'node:timers/promises'
import { defineHandler } from 'nitro'

export default defineHandler(({ context }) => {
  context.tasks.add(async () => {
    console.log('started')
    await setTimeout(500)
    console.log('ended')
  })
  return 'slow'
})
