import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Booted, Example, expectTestedVersions } from './_example.ts'

let example: Example
let scripts: Record<string, string>

beforeAll(async () => {
  example = await Example.copy('too-many-tasks')
  const manifest = await example.install()
  scripts = manifest.scripts
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

it('examples/too-many-tasks type-checks where it was copied to', async () => {
  const options = { strict: true, noEmit: true, module: 'nodenext', lib: ['ES2023'], skipLibCheck: true }
  await example.write('tsconfig.json', {
    compilerOptions: { ...options, types: ['node'], allowImportingTsExtensions: true },
    files: ['hono.ts', 'handler.ts'],
  })
  await example.run('tsc', '-p', 'tsconfig.json')
})

describe.each([
  ['hono.ts', 'start'],
  ['handler.ts', 'start:handler'],
])('examples/too-many-tasks, %s', (_file, script) => {
  it('answers 503 with Retry-After past the limit, and welcomes everybody whom it accepted, and nobody else', async () => {
    await using server = await example.boot(scripts[script] ?? '')
    const answers = await Promise.all(Array.from({ length: 10 }, () => signUp(server)))
    const accepted = answers.filter(({ status }) => status === 201)
    const refused = answers.filter(({ status }) => status === 503)
    expect([accepted.length, refused.length]).toEqual([3, 7])
    for (const { headers, text } of refused) {
      expect([headers.get('retry-after'), text]).toEqual(['1', 'Too busy, come again'])
    }
    for (const { text } of accepted) await server.line(`welcomed ${JSON.parse(text).id}`)
    expect((await signUp(server)).status, 'once they are welcomed').toBe(201)
    expect(await server.terminate()).toBe(null)
    expect(server.log.filter((line) => line.startsWith('welcomed'))).toHaveLength(4)
  })
})

function signUp(server: Booted): ReturnType<Booted['send']> {
  return server.send('/signup', { method: 'POST' })
}
