import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Booted, Example, expectTestedVersions } from './_example.ts'

let example: Example
let start: string

beforeAll(async () => {
  example = await Example.copy('threads')
  const manifest = await example.install()
  start = manifest.scripts.start
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

it('examples/threads type-checks where it was copied to', async () => {
  const options = { strict: true, noEmit: true, module: 'nodenext', lib: ['ES2023'], skipLibCheck: true }
  await example.write('tsconfig.json', {
    compilerOptions: { ...options, types: ['node'], allowImportingTsExtensions: true },
    files: ['server.ts'],
  })
  await example.run('tsc', '-p', 'tsconfig.json')
})

it('examples/threads answers pings while a picture is blurred', async () => {
  await using server = await example.boot(start)
  const { file, status } = await order(server)
  expect(status).toBe(202)
  let pings = 0
  while (!server.log.some((line) => line.includes('wrote'))) {
    const { text } = await server.send('/ping')
    if (text === 'pong') pings++
  }
  // On the event loop it would be one: that which waits for the picture.
  expect(pings).toBeGreaterThanOrEqual(10)
  expect(await example.read(file)).toMatch(/^P5 512 512 255\n/)
  expect(await server.terminate()).toBe(null)
})

it('examples/threads finishes its picture when it is asked to stop', async () => {
  await using server = await example.boot(start, { TIMES: '30' })
  const { file } = await order(server)
  expect(await server.terminate()).toBe(null)
  expect(server.log).toContain(`wrote ${file}`)
})

async function order(server: Booted): Promise<{ file: string; status: number }> {
  const { status, text } = await server.send('/pictures', { method: 'POST' })
  return { ...JSON.parse(text), status }
}
