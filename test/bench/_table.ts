/** A table as it is printed, and as it is written to RESULTS.md. */

export interface Row {
  readonly cells: readonly string[]
  /** What has to be known about it. */
  readonly notes?: readonly string[]
}

/** A picture of the same figures. */
export interface Chart {
  readonly title: string
  /** What is on the axis of values. */
  readonly unit: string
  readonly scale: 'linear' | 'log'
  readonly bars?: readonly Bar[]
  readonly lines?: readonly Point[]
}

export interface Bar {
  readonly label: string
  readonly group: string
  readonly value: number
  readonly isOurs: boolean
}

export interface Point {
  readonly label: string
  readonly x: number
  readonly y: number
}

export interface Table {
  /** Also the name of its chart's file. */
  readonly id: string
  readonly title: string
  /** How to read it. */
  readonly about: string
  /** The first column is of words, and so is one that is called `required`. */
  readonly head: readonly string[]
  readonly rows: readonly Row[]
  /** What is said under it: verdicts over several rows. */
  readonly verdicts?: readonly string[]
  readonly charts?: readonly Chart[]
}

/** One that was missed can be found by that word. */
export function verdict(required: string, isMet: boolean): string {
  return `${required}: ${isMet ? 'ok' : 'MISSED'}`
}

function isOfWords({ head }: Table, column: number): boolean {
  return column === 0 || head[column] === 'required'
}

/** The notes of all tables, which have one numbering, and the numbers of a row's own. */
class Notes {
  readonly texts: readonly string[]

  constructor(tables: readonly Table[]) {
    this.texts = [...new Set(tables.flatMap(({ rows }) => rows.flatMap(({ notes = [] }) => notes)))]
  }

  numbersOf({ notes = [] }: Row): string {
    const numbers = notes.map((note) => this.texts.indexOf(note) + 1)
    return numbers.toSorted((a, b) => a - b).join(' ')
  }
}

export function asText(tables: readonly Table[]): string {
  const notes = new Notes(tables)
  const texts = notes.texts.map((text, index) => `  (${index + 1}) ${text}`)
  return [...tables.map((table) => textOf(table, notes)), ...(texts.length > 0 ? [texts.join('\n')] : [])].join('\n\n')
}

function textOf(table: Table, notes: Notes): string {
  const cells = table.rows.map((row) => {
    const [first, ...others] = row.cells
    const numbers = notes.numbersOf(row)
    return [`${first}${numbers && ` (${numbers})`}`.replace(/`|\*\*/g, ''), ...others]
  })
  const widths = table.head.map((head, column) =>
    Math.max(head.length, ...cells.map((row) => row[column]?.length ?? 0)),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const width = widths[column] as number
        return isOfWords(table, column) ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd()
  return [
    table.title,
    ...[table.head, ...cells].map((row) => `  ${line(row)}`),
    ...(table.verdicts ?? []).map((text) => `  ${text.replaceAll('`', '')}`),
  ].join('\n')
}

export function asMarkdown(tables: readonly Table[]): string {
  const notes = new Notes(tables)
  const texts = notes.texts.map((text, index) => `${index + 1}. ${text}`)
  const list = texts.length > 0 ? ['## What a number behind a name says', texts.join('\n')] : []
  return [...tables.map((table) => markdownOf(table, notes)), ...list].join('\n\n')
}

function markdownOf(table: Table, notes: Notes): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rows = table.rows.map((row) => {
    const [first, ...others] = row.cells
    const numbers = notes.numbersOf(row)
    return line([`${first}${numbers && ` <sup>${numbers}</sup>`}`, ...others])
  })
  const parts = [
    `## ${table.title}`,
    table.about,
    ...(table.charts ?? []).map(({ title }, index) => `![${title}](results/${chartFile(table, index)})`),
    [line(table.head), line(table.head.map((_, column) => (isOfWords(table, column) ? '---' : '---:'))), ...rows].join(
      '\n',
    ),
    (table.verdicts ?? []).map((text) => `- ${text}`).join('\n'),
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

export function chartFile({ id, charts }: Table, index: number): string {
  return `${id}${charts && charts.length > 1 ? `-${index + 1}` : ''}.svg`
}
