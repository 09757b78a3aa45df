import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../_server.ts'
import { Example, order, root } from './_example.ts'
import { webhook } from './_webhook.ts'

interface DenoConfig {
  readonly imports: Record<string, string>
  readonly tasks: { readonly start: string }
}

let example: Example
let config: DenoConfig

beforeAll(async () => {
  example = await Example.copy('deno')
  config = await example.json<DenoConfig>('deno.json')
  // What JSR would serve, from here.
  const imports = {
    'background-tasks': join(root, 'src/index.ts'),
    'background-tasks/deno': join(root, 'adapters/deno.ts'),
  }
  await example.write('deno.json', { ...config, imports })
})
afterAll(() => example[Symbol.asyncDispose]())

it('examples/deno imports the package that is published on JSR', async () => {
  const { name, version } = JSON.parse(await readFile(join(root, 'jsr.json'), 'utf8'))
  expect(config.imports).toEqual({ 'background-tasks': `jsr:${name}@^${version}` })
})

it('examples/deno type-checks where it was copied to', () => example.run('deno', 'check', 'server.ts'))

it('examples/deno answers the command, then posts what it found, then writes the audit log', async () => {
  await using slack = await webhook()
  await using server = await example.boot(config.tasks.start)
  const body = new URLSearchParams({ text: 'ping', response_url: slack.url })
  const answer = await server.send('/', { method: 'POST', body })
  expect([answer.status, answer.text]).toEqual([200, '{"text":"I am looking it up."}'])
  await until(() => slack.calls.length === 1, 'Slack to be called')
  expect(slack.calls).toEqual(['{"text":"PING"}'])
  const stopped = server.terminate()
  slack.answer()
  expect(await stopped).toBe(null)
  expect(order(server.log, "answered 'ping'", 'answered')).toEqual(['answered', "answered 'ping'"])
})
