import { expect, test } from 'vitest'
import { expectDiscarded, testBuiltRecipe } from './_app.ts'

const boot = testBuiltRecipe('sveltekit', 'SvelteKit', {
  build: 'vite build',
  start: 'node build/index.js',
  // Not named tsconfig.json, which SvelteKit reads by the API that TypeScript 7 no longer has.
  tsconfig: 'tsconfig.routes.json',
})

test('the recipe of SvelteKit discards the tasks of a page whose load throws, but for a navigation, which is a 200', async () => {
  await using server = await boot()
  await expectDiscarded(server, '/page', 500)
  expect((await server.send('/page/__data.json')).status).toBe(200)
  await server.line('task of the data')
})

test('the recipe of SvelteKit discards the tasks of an `error`', async () => {
  await using server = await boot()
  await expectDiscarded(server, '/forbidden', 403)
})

test('the recipe of SvelteKit runs the tasks of a `redirect`, though that is thrown', async () => {
  await using server = await boot()
  expect((await server.send('/moved')).status).toBe(303)
  await server.line('task of /moved')
})
