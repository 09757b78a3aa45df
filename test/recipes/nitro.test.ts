import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Example, order } from '../examples/_example.ts'
import {
  appOf,
  build,
  expectAnswerBeforeTask,
  expectDiscarded,
  expectTaskOfWhoLeaves,
  expectTaskOfWhoLeavesEarly,
  serve,
} from './_app.ts'

const START = 'node .output/server/index.mjs'
let app: Example

beforeAll(async () => {
  app = await appOf('nitro', 'Nitro')
  await build(app, 'nitro build')
})
afterAll(() => app?.[Symbol.asyncDispose]())

test('the recipe of Nitro type-checks', async () => {
  await app.run('tsc', '-p', 'tsconfig.json')
})

test('the recipe of Nitro has answered before its task burns CPU', async () => {
  await using server = await serve(app, START)
  await expectAnswerBeforeTask(server)
})

test('the recipe of Nitro discards the tasks of a route that throws', async () => {
  await using server = await serve(app, START)
  await expectDiscarded(server, '/broken', 500)
})

test('the recipe of Nitro runs the task once of a client that leaves in the middle', async () => {
  await using server = await serve(app, START)
  await expectTaskOfWhoLeaves(server)
})

test('the recipe of Nitro runs the task once of a client that leaves before it is answered', async () => {
  await using server = await serve(app, START)
  await expectTaskOfWhoLeavesEarly(server)
})

test('the recipe of Nitro lets the server wait for a task when it is asked to stop', async () => {
  await using server = await serve(app, START)
  await server.send('/slow')
  await server.line('started')
  await server.terminate()
  const closed = 'Server closed successfully'
  expect(order(server.log, 'started', 'ended', closed)).toEqual(['started', 'ended', closed])
})
