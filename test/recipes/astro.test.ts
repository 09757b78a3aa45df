import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Example } from '../examples/_example.ts'
import {
  appOf,
  build,
  expectAnswerBeforeTask,
  expectDiscarded,
  expectTaskOfWhoLeaves,
  expectTaskOfWhoLeavesEarly,
  serve,
} from './_app.ts'

const START = 'node dist/server/entry.mjs'
let app: Example

beforeAll(async () => {
  app = await appOf('astro', 'Astro')
  await build(app, 'astro build')
})
afterAll(() => app?.[Symbol.asyncDispose]())

test('the recipe of Astro type-checks', async () => {
  await app.run('tsc', '-p', 'tsconfig.json')
})

test('the recipe of Astro has answered before its task burns CPU', async () => {
  await using server = await serve(app, START)
  await expectAnswerBeforeTask(server)
})

test('the recipe of Astro discards the tasks of a page that throws', async () => {
  await using server = await serve(app, START)
  await expectDiscarded(server, '/broken', 500)
})

test('the recipe of Astro runs the tasks of a redirect', async () => {
  await using server = await serve(app, START)
  expect((await server.send('/moved')).status).toBe(302)
  await server.line('task of /moved')
})

test('the recipe of Astro runs the task once of a client that leaves in the middle', async () => {
  await using server = await serve(app, START)
  await expectTaskOfWhoLeaves(server)
})

test('the recipe of Astro runs the task once of a client that leaves before it is answered', async () => {
  await using server = await serve(app, START)
  await expectTaskOfWhoLeavesEarly(server)
})
