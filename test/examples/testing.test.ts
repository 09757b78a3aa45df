import { afterAll, beforeAll, expect, it } from 'vitest'
import { Example, expectTestedVersions } from './_example.ts'

let example: Example

beforeAll(async () => {
  example = await Example.copy('testing')
  await expectTestedVersions(await example.install())
})
afterAll(() => example[Symbol.asyncDispose]())

it('examples/testing type-checks where it was copied to', async () => {
  // With the extension by which Node imports one file from the other.
  const extensions = { allowImportingTsExtensions: true, noEmit: true, skipLibCheck: true }
  const compilerOptions = { strict: true, module: 'nodenext', lib: ['ES2023'], types: ['node'], ...extensions }
  await example.write('tsconfig.json', { compilerOptions, files: ['app.ts', 'app.test.ts'] })
  await example.run('tsc', '-p', 'tsconfig.json')
})

it('examples/testing passes its own tests', async () => {
  expect((await example.json<{ scripts: object }>('package.json')).scripts).toEqual({ test: 'node --test' })
  const output = await example.run('node', '--test', '--test-reporter=tap')
  expect(output.match(/^# (tests|pass) .*$/gm)).toEqual(['# tests 4', '# pass 4'])
})

it('examples/testing fails its tests where the app answers late, sends nothing, or does not try again', async () => {
  const app = await example.read('app.ts')
  const breakages: [string, string][] = [
    ['c.var.tasks.add(welcome, email)', "await sendEmail(email, 'Welcome!')"],
    ['c.var.tasks.add(welcome, email)', ''],
    ['attempts: 3', 'attempts: 2'],
  ]
  for (const [sound, broken] of breakages) {
    await example.write('app.ts', app.replace(sound, broken))
    await expect(example.run('node', '--test'), broken).rejects.toThrow('failed:')
  }
  await example.write('app.ts', app)
})
