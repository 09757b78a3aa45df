/**
 * What is done with an upload.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

export interface Summary {
  readonly words: number
  readonly sha256: string
}

/** A folder that is gone at its disposal, with all that is in it. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'upload-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Counts the words of a text in UTF-8, hashes it and compresses it, a piece at a time: a large file takes no more memory. */
export async function processFile(from: string, to: string): Promise<Summary> {
  const hash = createHash('sha256')
  // Throws where it is no text.
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let words = 0
  let isInWord = false

  async function* read(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      hash.update(chunk)
      for (const character of decoder.decode(chunk, { stream: true })) {
        const isSpace = character.trim() === ''
        if (!isSpace && !isInWord) words++
        isInWord = !isSpace
      }
      yield chunk
    }
    decoder.decode()
  }

  try {
    await pipeline(createReadStream(from), read, createGzip(), createWriteStream(to))
  } catch (error) {
    await rm(to, { force: true })
    throw error
  }
  return { words, sha256: hash.digest('hex') }
}
