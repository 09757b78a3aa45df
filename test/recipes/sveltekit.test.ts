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

const START = 'node build/index.js'
let app: Example

beforeAll(async () => {
  app = await appOf('sveltekit', 'SvelteKit')
  await build(app, 'vite build')
})
afterAll(() => app?.[Symbol.asyncDispose]())

test('the recipe of SvelteKit type-checks', async () => {
  // Not named tsconfig.json, which SvelteKit reads by the API that TypeScript 7 no longer has.
  await app.run('tsc', '-p', 'tsconfig.routes.json')
})

test('the recipe of SvelteKit has answered before its task burns CPU', async () => {
  await using server = await serve(app, START)
  await expectAnswerBeforeTask(server)
})

test('the recipe of SvelteKit discards the tasks of a route that throws', async () => {
  await using server = await serve(app, START)
  await expectDiscarded(server, '/broken', 500)
})

test('the recipe of SvelteKit discards the tasks of a page whose load throws, but for a navigation, which is a 200', async () => {
  await using server = await serve(app, START)
  await expectDiscarded(server, '/page', 500)
  expect((await server.send('/page/__data.json')).status).toBe(200)
  await server.line('task of the data')
})

test('the recipe of SvelteKit discards the tasks of an `error`', async () => {
  await using server = await serve(app, START)
  await expectDiscarded(server, '/forbidden', 403)
})

test('the recipe of SvelteKit runs the tasks of a `redirect`, though that is thrown', async () => {
  await using server = await serve(app, START)
  expect((await server.send('/moved')).status).toBe(303)
  await server.line('task of /moved')
})

test('the recipe of SvelteKit runs the task once of a client that leaves in the middle', async () => {
  await using server = await serve(app, START)
  await expectTaskOfWhoLeaves(server)
})

test('the recipe of SvelteKit runs the task once of a client that leaves before it is answered', async () => {
  await using server = await serve(app, START)
  await expectTaskOfWhoLeavesEarly(server)
})
