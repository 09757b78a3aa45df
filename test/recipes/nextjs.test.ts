import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { order } from '../examples/_example.ts'
import { expectDiscarded, testBuiltRecipe } from './_app.ts'

const boot = testBuiltRecipe('nextjs', 'Next.js', {
  build: 'next build',
  start: 'next start --port 0 --hostname 127.0.0.1',
  // In CI it says what is missing; elsewhere it installs it.
  env: { CI: '1' },
  // Next asks for types of React wherever there is TypeScript.
  async prepare(app) {
    await mkdir(join(app.folder, 'node_modules/@types/react'), { recursive: true })
    await app.write('node_modules/@types/react/package.json', { name: '@types/react', version: '19.0.0' })
    await app.write('node_modules/@types/react/index.d.ts', 'export {}')
  },
})

test('the recipe of Next.js discards the tasks of a `redirect`, as that is thrown', async () => {
  await using server = await boot()
  await expectDiscarded(server, '/moved', 307)
})

test('the recipe of Next.js lets the server wait for a task when it is asked to stop', async () => {
  await using server = await boot()
  await server.send('/slow/7')
  await server.line('started 7')
  await server.terminate()
  expect(order(server.log, 'started', 'ended 7')).toEqual(['started', 'ended 7'])
})
