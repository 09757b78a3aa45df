/** Writes the README's table of hosts from what each adapter `lacks`: `node test/readme/support-table.ts`. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { bun } from '../../adapters/bun.ts'
import { deno } from '../../adapters/deno.ts'
import { detached } from '../../adapters/detached.ts'
import { node } from '../../adapters/node.ts'
import { waitUntil } from '../../adapters/wait-until.ts'
import { workers } from '../../adapters/workers.ts'
import type { Adapter, HostFeature } from '../../src/adapter.ts'

export const readme: string = fileURLToPath(new URL('../../README.md', import.meta.url))

const BEGIN = '<!-- support table: node test/readme/support-table.ts -->'
const END = '<!-- /support table -->'

const columns: Record<HostFeature, string> = {
  lastByte: 'after the last byte of any body',
  aborted: 'tells that the client left',
  largeBody: 'bodies over 1 MB',
  keepAlive: 'the host waits for tasks',
  addInBody: 'first `add` inside a body',
}

const rows: readonly [host: string, adapter: Adapter][] = [
  ['Node', node()],
  ['Cloudflare Workers', workers()],
  ['Deno', deno()],
  ['Bun', bun()],
  ['any other host with a `waitUntil`', waitUntil(() => undefined)],
  ['any other host', detached()],
]

/** The table, and the reasons as a list. */
export function supportTable(): string {
  const reasons: string[] = []
  const cell = (reason: string | undefined): string => {
    if (reason === undefined) return '✓'
    if (!reasons.includes(reason)) reasons.push(reason)
    return `– <sup>${reasons.indexOf(reason) + 1}</sup>`
  }
  const features = Object.keys(columns) as HostFeature[]
  const lines = rows.map(([host, { lacks = {} }]) => [host, ...features.map((feature) => cell(lacks[feature]))])
  const table = [['', ...Object.values(columns)], ['---', ...features.map(() => '---')], ...lines]
  return [
    ...table.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    ...reasons.map((reason, index) => `${index + 1}. ${reason}`),
  ].join('\n')
}

/** A README with the table as it must be now. */
export function withSupportTable(text: string): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`Cannot find the table: ${readme} needs the lines ${BEGIN} and ${END}`)
  return `${text.slice(0, from + BEGIN.length)}\n\n${supportTable()}\n\n${text.slice(to)}`
}

if (import.meta.main) await writeFile(readme, withSupportTable(await readFile(readme, 'utf8')))
