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

const START = 'node server.ts'
let app: Example

beforeAll(async () => {
  app = await appOf('react-router', 'React Router')
  await build(app, 'react-router build')
})
afterAll(() => app?.[Symbol.asyncDispose]())

test('the recipe of React Router type-checks', async () => {
  await app.run('tsc', '-p', 'tsconfig.json')
})

test('the recipe of React Router has answered before its task burns CPU', async () => {
  await using server = await serve(app, START)
  await expectAnswerBeforeTask(server)
})

test('the recipe of React Router discards the tasks of a loader that throws, in a document', async () => {
  await using server = await serve(app, START)
  await expectDiscarded(server, '/broken', 500)
})

test('the recipe of React Router discards the tasks of a loader that throws, in a navigation of the client', async () => {
  await using server = await serve(app, START)
  await expectDiscarded(server, '/broken.data', 500)
})

test('the recipe of React Router runs the tasks of a redirect that is thrown', async () => {
  await using server = await serve(app, START)
  expect((await server.send('/moved')).status).toBe(302)
  await server.line('task of /moved')
})

test('the recipe of React Router runs the task once of a client that leaves in the middle', async () => {
  await using server = await serve(app, START)
  await expectTaskOfWhoLeaves(server)
})

test('the recipe of React Router runs the task once of a client that leaves before it is answered', async () => {
  await using server = await serve(app, START)
  await expectTaskOfWhoLeavesEarly(server)
})
