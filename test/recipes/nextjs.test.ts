import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
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

const START = 'next start --port 0 --hostname 127.0.0.1'
let app: Example

beforeAll(async () => {
  app = await appOf('nextjs', 'Next.js')
  // Next asks for types of React wherever there is TypeScript.
  await mkdir(join(app.folder, 'node_modules/@types/react'), { recursive: true })
  await app.write('node_modules/@types/react/package.json', { name: '@types/react', version: '19.0.0' })
  await app.write('node_modules/@types/react/index.d.ts', 'export {}')
  // In CI it says what is missing; elsewhere it installs it.
  await build(app, 'next build', { CI: '1' })
}, 120_000)
afterAll(() => app?.[Symbol.asyncDispose]())

test('the recipe of Next.js type-checks', async () => {
  await app.run('tsc', '-p', 'tsconfig.json')
})

test('the recipe of Next.js has answered before its task burns CPU', async () => {
  await using server = await serve(app, START)
  await expectAnswerBeforeTask(server)
})

test('the recipe of Next.js discards the tasks of a route that throws', async () => {
  await using server = await serve(app, START)
  await expectDiscarded(server, '/broken', 500)
})

test('the recipe of Next.js discards the tasks of a `redirect`, as that is thrown', async () => {
  await using server = await serve(app, START)
  await expectDiscarded(server, '/moved', 307)
})

test('the recipe of Next.js runs the task once of a client that leaves in the middle', async () => {
  await using server = await serve(app, START)
  await expectTaskOfWhoLeaves(server)
})

test('the recipe of Next.js runs the task once of a client that leaves before it is answered', async () => {
  await using server = await serve(app, START)
  await expectTaskOfWhoLeavesEarly(server)
})

test('the recipe of Next.js lets the server wait for a task when it is asked to stop', async () => {
  await using server = await serve(app, START)
  await server.send('/slow/7')
  await server.line('started 7')
  await server.terminate()
  expect(order(server.log, 'started', 'ended 7')).toEqual(['started', 'ended 7'])
})
