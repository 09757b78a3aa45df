import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../_server.ts'
import { type Booted, Example, expectTestedVersions, order } from './_example.ts'
import { printingFinished } from './_finished.ts'

let example: Example
let start: string
let env: Record<string, string>

beforeAll(async () => {
  example = await Example.copy('file-processing')
  const manifest = await example.install()
  start = manifest.scripts.start
  env = { TMPDIR: example.folder, ...(await printingFinished(example)) }
  await expectTestedVersions(manifest)
})
afterAll(() => example[Symbol.asyncDispose]())

/** A text in pieces that end in the middle of words, and of the two bytes of an ü. */
const text = Buffer.from('for süße  übung\n'.repeat(200_000))

function upload(server: Booted, content: Uint8Array<ArrayBuffer>): ReturnType<Booted['send']> {
  const body = new FormData()
  body.append('file', new File([content], 'text.txt'))
  return server.send('/files', { method: 'POST', body })
}

/** The folders of uploads that are there now. */
function folders(): string[] {
  return readdirSync(example.folder).filter((name) => name.startsWith('upload-'))
}

it('examples/file-processing type-checks where it was copied to', () => example.typeCheck('node', 'server.ts'))

it('examples/file-processing answers an upload, then counts, hashes and compresses it, and deletes it', async () => {
  await using server = await example.boot(start, env)
  const answer = await upload(server, text)
  const { id } = JSON.parse(answer.text)
  expect([answer.status, answer.headers.get('location')]).toEqual([202, `/files/${id}`])
  await server.line(`processed ${id}, 600000 words`)
  expect(order(server.log, 'response finished', 'processed')[0]).toBe('response finished')
  const sha256 = createHash('sha256').update(text).digest('hex')
  expect(JSON.parse((await server.send(`/files/${id}`)).text)).toEqual({ state: 'done', words: 600_000, sha256 })
  expect(gunzipSync(await readFile(join(example.folder, 'store', `${id}.gz`))).equals(text)).toBe(true)
  await until(() => folders().length === 0, 'the upload to be deleted')
  expect((await server.send('/files/nobody')).status).toBe(404)
})

it('examples/file-processing deletes an upload also where it cannot be processed, and keeps nothing of it', async () => {
  await using server = await example.boot(start, { ...env, STORE: 'other' })
  const { status, text } = await upload(server, Buffer.from([0x61, 0xff, 0x62]))
  expect(status).toBe(202)
  await server.line("task 'processUpload' failed")
  await until(() => folders().length === 0, 'the upload to be deleted')
  const { id } = JSON.parse(text)
  expect(JSON.parse((await server.send(`/files/${id}`)).text)).toMatchObject({ state: 'failed' })
  expect(readdirSync(join(example.folder, 'other'))).toEqual([])
})

it('examples/file-processing processes an upload whose client does not wait for the answer, and deletes it', async () => {
  await using server = await example.boot(start, env)
  const [before = '', after = ''] = [
    '--x\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n',
    '\r\n--x--',
  ]
  const headers = { 'content-type': 'multipart/form-data; boundary=x' }
  const client = request(`${server.url}/files`, { method: 'POST', headers }).on('error', () => {})
  client.end(Buffer.concat([Buffer.from(before), text, Buffer.from(after)]))
  await until(() => folders().length === 1, 'the upload to be written')
  client.destroy()
  await server.line('600000 words')
  await until(() => folders().length === 0, 'the upload to be deleted')
})

it('examples/file-processing refuses what is no file, and what is too large', async () => {
  await using server = await example.boot(start, env)
  const body = new FormData()
  body.append('file', 'no file')
  expect((await server.send('/files', { method: 'POST', body })).status).toBe(400)
  expect((await upload(server, Buffer.alloc(51 * 1024 * 1024))).status).toBe(413)
  expect(folders()).toEqual([])
})
