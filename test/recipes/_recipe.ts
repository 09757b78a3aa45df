/** The recipes of the README, as it has them. */
import { readFileSync } from 'node:fs'

/** How long the idiom of a framework may be: beyond that it wants an adapter. */
const LINES = 5

/** A file, as a recipe names and shows it. */
export interface Recipe {
  readonly file: string
  readonly code: string
}

/** The block of a heading under `## Recipes`. Throws where there is not one, or where it is too long. */
export function recipe(heading: string): Recipe {
  const found = titledBlock('## Recipes', `### ${heading}`)
  const lines = linesOf(found.code)
  if (lines > LINES) throw new Error(`The recipe of '${heading}' has ${lines} lines of code, and not ${LINES}`)
  return found
}

/** The block with a title that the README has under some headings. Throws where there is not one. */
export function titledBlock(...headings: string[]): Recipe {
  const text = headings.reduce(section, readFileSync(new URL('../../README.md', import.meta.url), 'utf8'))
  const blocks = [...text.matchAll(/^```tsx? title=(\S+)\n(.*?)^```$/gms)]
  const [, file, code] = blocks[0] ?? []
  if (blocks.length !== 1 || !file || !code) throw new Error(`'${headings}' has ${blocks.length} blocks, and not one`)
  return { file, code }
}

/** What follows a heading, up to the next one of its level. */
function section(text: string, heading: string): string {
  const [, level = ''] = /^(#+)/.exec(heading) ?? []
  const [, rest] = `\n${text}`.split(`\n${heading}\n`)
  if (rest === undefined) throw new Error(`The README has no heading '${heading}'`)
  return rest.split(new RegExp(`^#{1,${level.length}} `, 'm'))[0] ?? ''
}

/** Without imports, comments, blank lines, and lines that only close what another one has opened. */
function linesOf(code: string): number {
  const counted = code.replace(/^import\b.*?['"]$/gms, '').replace(/^\s*(\/\/.*|\/\*.*?\*\/|[\])}>,;]*)$/gms, '')
  return counted.split('\n').filter((line) => line.trim()).length
}
