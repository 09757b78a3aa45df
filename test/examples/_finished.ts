/** The order of a server's own doings, which its client cannot see where they are a millisecond apart. */
import type { Example } from './_example.ts'

/** With this environment a server prints `response finished` whenever Node has given the last byte of a response away. */
export async function printingFinished(example: Example): Promise<Record<string, string>> {
  await example.write(
    'print-finished.mjs',
    `import { subscribe } from 'node:diagnostics_channel'
    subscribe('http.server.response.finish', () => console.log('response finished'))`,
  )
  return { NODE_OPTIONS: '--import=./print-finished.mjs' }
}
