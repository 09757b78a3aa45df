import { expect, test } from 'vitest'
import { order } from '../examples/_example.ts'
import { testBuiltRecipe } from './_app.ts'

const boot = testBuiltRecipe('nitro', 'Nitro', { build: 'nitro build', start: 'node .output/server/index.mjs' })

test('the recipe of Nitro lets the server wait for a task when it is asked to stop', async () => {
  await using server = await boot()
  await server.send('/slow')
  await server.line('started')
  await server.terminate()
  const closed = 'Server closed successfully'
  expect(order(server.log, 'started', 'ended', closed)).toEqual(['started', 'ended', closed])
})
