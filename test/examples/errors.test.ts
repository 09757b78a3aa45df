import { afterAll, beforeAll, expect, it } from 'vitest'
import { Example, expectTestedVersions } from './_example.ts'
import { printingFinished } from './_finished.ts'

let example: Example
let start: string
let env: Record<string, string>

beforeAll(async () => {
  example = await Example.copy('errors')
  const manifest = await example.install()
  start = manifest.scripts.start
  env = await printingFinished(example)
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

const card = '4242'
const email = 'ada@example.com'

/** The answer, and what the server wrote, to the end of its tasks: `response finished`, and objects from its logger. */
async function doings(path: string, input: object): Promise<{ answer: unknown[]; server: unknown[] }> {
  await using server = await example.boot(start, env)
  const { status, text } = await server.send(path, { method: 'POST', body: JSON.stringify(input) })
  expect(await server.terminate()).toBe(null)
  const lines = server.log.filter((line) => line !== 'answered' && !line.startsWith('http'))
  return {
    answer: [status, JSON.parse(text)],
    server: lines.map((line) => (line.startsWith('{') ? JSON.parse(line) : line)),
  }
}

it('examples/errors type-checks where it was copied to', () => example.typeCheck('node', 'server.ts'))

it('examples/errors counts a payment and sends its receipt after the answer', async () => {
  expect(await doings('/payments', { card, email })).toEqual({
    answer: [201, { paid: true }],
    server: [
      'response finished',
      { level: 'info', message: 'payment', card, result: 'done', status: 201 },
      { level: 'info', message: 'receipt', email },
    ],
  })
})

it('examples/errors gives the logger a task that fails, with its id, and the client what it would have got anyway', async () => {
  const { answer, server } = await doings('/payments', { card, email: 'nobody' })
  expect(answer).toEqual([201, { paid: true }])
  const error = 'Error: nobody is no e-mail address'
  expect(server.at(-1)).toEqual({
    level: 'error',
    message: 'task failed',
    id: expect.any(String),
    name: 'sendReceipt',
    attempt: 1,
    error,
  })
})

it.each([
  ['an HTTPException', '0000', [402, { error: 'the card was declined' }], 'Error: the card was declined'],
  ['an error', '1111', [500, { error: 'internal error' }], 'Error: the bank does not answer'],
])(
  'examples/errors discards the receipt where the handler threw %s, and counts the payment all the same',
  async (...row) => {
    const [, card, expected, reason] = row
    const { answer, server } = await doings('/payments', { card, email })
    expect(answer).toEqual(expected)
    const tasks = server.filter((line) => !/handler failed/.test(JSON.stringify(line)))
    expect(tasks).toEqual([
      { level: 'info', message: 'task discarded', name: 'sendReceipt', reason: expect.any(String) },
      'response finished',
      { level: 'info', message: 'payment', card, result: 'failed', status: expected[0], reason },
    ])
  },
)

it('examples/errors runs the tasks of a handler that returned a 403', async () => {
  expect(await doings('/refunds', {})).toEqual({
    answer: [403, { error: 'no refunds' }],
    server: ['response finished', { level: 'info', message: 'somebody asked for a refund' }],
  })
})
