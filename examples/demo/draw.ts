/**
 * Draws what happened.
 *
 * @module
 */
import { styleText } from 'node:util'
import type { TaskLine, Trip } from './send.ts'

const NAME = 20
const BAR = Math.max(12, Math.min(60, (process.stdout.columns ?? 104) - 68))
const colours = process.stdout.isTTY === true && !process.env['NO_COLOR']

/** Colours a text, on a terminal. */
export function paint(style: Parameters<typeof styleText>[0], text: string): string {
  return colours ? styleText(style, text, { validateStream: false }) : text
}

/** What stands above the first request. */
export function legend(): string {
  const drawn = [
    paint('green', '━ response'),
    paint('green', '● a piece of it'),
    paint('cyan', '█ task on the CPU'),
    paint('cyan', '░ task waiting'),
  ]
  return `  ${''.padEnd(NAME)}${paint('dim', 'from → to')}          ${drawn.join('   ')}`
}

/** One request as lines of text. */
export function draw(trip: Trip): string {
  const { method, path, status, title, tasks } = trip
  // The report of a task that held the CPU may overtake the response by a blink: see send.ts.
  const completeAt = Math.min(trip.completeAt, tasks[0]?.burntAt ? tasks[0].startedAt : Infinity)
  const total = Math.max(completeAt, ...tasks.map(({ endedAt }) => endedAt))
  const cell = (at: number): number => Math.min(BAR - 1, Math.floor((at / total) * BAR))
  return [
    `${paint('bold', `${method} ${path}`)} ${paint('dim', `→ ${status}, ${title}`)}`,
    row('response', 0, completeAt, responseBar(trip, cell, cell(completeAt)), paint('green', 'complete')),
    ...tasks.map((task) =>
      row(
        `${task.number} ${task.name}`,
        task.startedAt,
        task.endedAt,
        taskBar(task, cell, cell(completeAt)),
        ending(task),
      ),
    ),
  ].join('\n')
}

function row(name: string, from: number, to: number, bar: string, end: string): string {
  return `  ${name.padEnd(NAME)}${ms(from)} → ${ms(to)} ms  ${bar}  ${end}`
}

function ms(time: number): string {
  return time.toFixed(0).padStart(5)
}

function responseBar({ chunksAt }: Trip, cell: (at: number) => number, left: number): string {
  const cells: string[] = Array.from({ length: BAR }, (_, at) => (at < left ? '━' : at === left ? '┫' : ' '))
  for (const chunkAt of chunksAt.slice(0, -1)) cells[cell(chunkAt)] = '●'
  return paint('green', cells.join(''))
}

/** The bar of a task, right of the line at which the response was complete. */
function taskBar({ startedAt, burntAt, endedAt, end }: TaskLine, cell: (at: number) => number, left: number): string {
  const first = Math.min(BAR - 1, Math.max(cell(startedAt), left + 1))
  const last = Math.max(cell(endedAt), first)
  const before = Array.from({ length: first }, (_, at) => (at === left ? '┃' : ' ')).join('')
  const busy = burntAt ? Math.max(1, cell(burntAt) - first + 1) : 0
  const bar = '█'.repeat(busy).padEnd(last - first + 1, '░')
  return paint('green', before) + paint(end === 'succeeded' ? 'cyan' : 'red', bar) + ' '.repeat(BAR - 1 - last)
}

function ending({ end, error, addedBy }: TaskLine): string {
  const how = end === 'succeeded' ? paint('cyan', '✓') : paint('red', `✗ ${error ?? end}`)
  return addedBy ? `${how} ${paint('dim', `added by ${addedBy}`)}` : how
}
