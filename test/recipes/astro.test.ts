import { expect, test } from 'vitest'
import { testBuiltRecipe } from './_app.ts'

const boot = testBuiltRecipe('astro', 'Astro', { build: 'astro build', start: 'node dist/server/entry.mjs' })

test('the recipe of Astro runs the tasks of a redirect', async () => {
  await using server = await boot()
  expect((await server.send('/moved')).status).toBe(302)
  await server.line('task of /moved')
})
