import { defineHandler } from 'nitro'
import { burn, chunks } from '../../work'

export default defineHandler(({ context }) => {
  context.tasks.add(burn)
  return chunks()
})
