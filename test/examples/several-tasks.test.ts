import { afterAll, beforeAll, expect, it } from 'vitest'
import { listening } from '../_server.ts'
import { freePort } from '../queues/_server-process.ts'
import { type Booted, Example, expectTestedVersions, order } from './_example.ts'
import { printingFinished } from './_finished.ts'

let example: Example
let start: string
let env: Record<string, string>

beforeAll(async () => {
  example = await Example.copy('several-tasks')
  const manifest = await example.install()
  start = manifest.scripts.start
  env = await printingFinished(example)
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

/** What the server printed for one request, to the end of its tasks; apart from that, as it comes by another pipe, what failed. */
async function doings(
  path: string,
  { body = '', ...more }: Record<string, string> = {},
): Promise<{ status: number; server: string[]; failed: string[] }> {
  await using server: Booted = await example.boot(start, { ...env, ...more })
  const { status } = await server.send(path, { method: 'POST', body })
  expect(await server.terminate()).toBe(null)
  const failed = server.log.filter((line) => line.startsWith('background-tasks:'))
  const isNoise = (line: string): boolean =>
    line === 'answered' || line.startsWith('http') || line.startsWith('    at ')
  return { status, server: server.log.filter((line) => !isNoise(line) && !failed.includes(line)), failed }
}

it('examples/several-tasks type-checks where it was copied to', () => example.typeCheck('node', 'server.ts'))

it('examples/several-tasks runs the tasks of an order one after the other, the sync one in its turn', async () => {
  expect(await doings('/orders', { body: '{"email":"ada@example.com"}' })).toEqual({
    status: 201,
    server: [
      'response finished',
      'confirmed the order of ada@example.com',
      'order number 1',
      'put ada@example.com on the mailing list',
      'all done for ada@example.com',
    ],
    failed: [],
  })
})

it('examples/several-tasks goes on after the task of an order that fails, and prints it', async () => {
  expect(await doings('/orders', { body: '{"email":"bob@example.org"}' })).toEqual({
    status: 201,
    server: [
      'response finished',
      'confirmed the order of bob@example.org',
      'order number 1',
      'all done for bob@example.org',
    ],
    failed: [
      expect.stringMatching(/task 'updateMailingList' failed .* the mailing list does not take bob@example.org/),
    ],
  })
})

it('examples/several-tasks hands the table of an import on from task to task', async () => {
  await using server = await example.boot(start, { ...env, PORT: `${await freePort()}` })
  expect((await server.send('/imports', { method: 'POST' })).status).toBe(202)
  await server.line('published 2 rows')
  expect(order(server.log, 'response finished', 'downloaded', 'checked', 'published')).toEqual([
    'response finished',
    // Of the prices, which it downloads from itself.
    'response finished',
    'downloaded',
    'checked',
    'published',
  ])
})

it('examples/several-tasks publishes nothing of an import whose check has failed', async () => {
  await using supplier = await listening((_req, res) => res.end('tea,3\ncoffee\n'))
  expect(await doings('/imports', { SUPPLIER_URL: supplier.url })).toEqual({
    status: 202,
    server: ['response finished', 'downloaded 2 rows', 'discarded publish: an earlier task failed (stopOnError)'],
    failed: [expect.stringMatching(/task 'check' failed .* not a row of two: coffee/)],
  })
})
