import { expect, test } from 'vitest'
import { expectDiscarded, testBuiltRecipe } from './_app.ts'

const boot = testBuiltRecipe('react-router', 'React Router', { build: 'react-router build', start: 'node server.ts' })

test('the recipe of React Router discards the tasks of a loader that throws in a navigation of the client', async () => {
  await using server = await boot()
  await expectDiscarded(server, '/broken.data', 500)
})

test('the recipe of React Router runs the tasks of a redirect that is thrown', async () => {
  await using server = await boot()
  expect((await server.send('/moved')).status).toBe(302)
  await server.line('task of /moved')
})
