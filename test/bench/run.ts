/**
 * What the library costs, beside the same work written by hand. Takes up to two minutes: `npm run bench`. What the engines
 * of queues do: `npm run bench -- queues`.
 *
 * Everything is compared with its like in one run, in alternating rounds (A B A B …): a figure is the median of the
 * rounds' ratios or differences, behind it stands between which two values the middle half of the rounds lies.
 */
import { availableParallelism, loadavg } from 'node:os'
import { Child } from './_child.ts'
import type { Column, InProcessFigures, Row } from './_in-process.ts'
import type { Load, LoadFigures } from './_load.ts'
import type { LongListFigures } from './_long-list.ts'
import { benchQueues } from './_queues.ts'
import type { Kind, ServerFigures } from './_server.ts'
import { type Spread, spreadOf, spreadOfPairs } from './_stats.ts'

const FINISH_MS = 105_000
/** Processes differ by some per cent for the whole of their lives: so each kind of server has several, one after another. */
const GENERATIONS = 3
const CONNECTIONS = 8
const SLOT_SECONDS = 0.12
const WARM_UP_SECONDS = 0.5

const kinds: Kind[] = ['bare', 'ours 0', 'hand-written 1', 'ours 1', 'ours 10', 'hono', 'hono ours 1']
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const started = performance.now()

const busy = loadavg()[0] ?? 0
console.log(
  `background-tasks on Node ${process.versions.node}, ${availableParallelism()} CPUs; [middle half of the rounds]`,
)
if (busy > 1)
  console.log(`The machine was busy already (load ${busy.toFixed(1)}): what follows is not to be relied on.`)
if (process.argv[2] === 'queues') process.exit((await benchQueues(process.argv[3])) ? 0 : 1)
console.log()
printInProcess(await figuresOf<InProcessFigures>('./_in-process.ts'))
printLongList(await figuresOf<LongListFigures>('./_long-list.ts', ['--expose-gc']))
printServers(await measureServers())
console.log(
  `\nA figure that MISSED once may be noise of the machine: look at the spread. Took ${Math.round((performance.now() - started) / 1000)} s.`,
)

async function figuresOf<T>(file: string, flags?: string[]): Promise<T> {
  using child = new Child(file, [], flags)
  return await child.answer<T>()
}

interface Measured {
  perSecond: number[]
  /** Microseconds of CPU time that the server's process took for each request. */
  cpuUs: number[]
}

async function measureServers(): Promise<Record<Kind, Measured>> {
  const measured = Object.fromEntries(kinds.map((kind) => [kind, { perSecond: [], cpuUs: [] }])) as unknown as Record<
    Kind,
    Measured
  >
  const begun = performance.now()
  for (let generation = 1; generation <= GENERATIONS; generation++) {
    const until = begun + ((started + FINISH_MS - begun) * generation) / GENERATIONS
    await measureGeneration(measured, until)
  }
  return measured
}

async function measureGeneration(measured: Record<Kind, Measured>, until: number): Promise<void> {
  using children = new DisposableStack()
  const load = children.use(new Child('./_load.ts'))
  const servers: { kind: Kind; child: Child; url: string }[] = []
  for (const kind of kinds) {
    const child = children.use(new Child('./_server.ts', [kind]))
    const { port } = await child.answer<{ port: number }>()
    servers.push({ kind, child, url: `http://127.0.0.1:${port}/` })
  }
  const send = (url: string, seconds: number): Promise<LoadFigures> =>
    load.ask({ url, seconds, connections: CONNECTIONS } satisfies Load)
  for (const { url } of servers) await send(url, WARM_UP_SECONDS)
  for (let round = 0; round === 0 || performance.now() < until; round++) {
    for (const { kind, child, url } of round % 2 === 0 ? servers : servers.toReversed()) {
      const before = await child.ask<ServerFigures>({})
      const { perSecond } = await send(url, SLOT_SECONDS)
      const after = await child.ask<ServerFigures>({})
      measured[kind].perSecond.push(perSecond)
      measured[kind].cpuUs.push((after.cpuUs - before.cpuUs) / (after.served - before.served))
    }
  }
  for (const { kind, child } of servers) await checkTasksRan(kind, child)
}

/** A task that was not run would cost nothing. */
async function checkTasksRan(kind: Kind, server: Child): Promise<void> {
  const tasks = Number(/\d+$/.exec(kind)?.[0] ?? 0)
  for (let tries = 0; ; tries++) {
    const { served, ran } = await server.ask<ServerFigures>({})
    if (ran === served * tasks) return
    if (tries === 20) throw new Error(`${kind}: ${ran} tasks ran for ${served} requests`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function printServers(measured: Record<Kind, Measured>): void {
  console.log(
    `\n@hono/node-server over real sockets, ${CONNECTIONS} connections, ${measured.bare.perSecond.length} rounds`,
  )
  console.log(
    '                                          requests/s   CPU us   throughput as a part of …                        CPU',
  )
  const compared: [label: string, kind: Kind, base: Kind, required?: number][] = [
    ['bare handler', 'bare', 'bare'],
    ['ours, 0 tasks', 'ours 0', 'bare', 0.98],
    ["outgoing.once('close', task) by hand", 'hand-written 1', 'bare'],
    ['ours, 1 task', 'ours 1', 'hand-written 1', 0.97],
    ['ours, 10 tasks', 'ours 10', 'bare'],
    ['bare Hono app', 'hono', 'hono'],
    ['Hono with our middleware, 1 task', 'hono ours 1', 'hono'],
  ]
  for (const [label, kind, base, required] of compared) {
    const perSecond = spreadOf(measured[kind].perSecond).median
    const cpuUs = spreadOf(measured[kind].cpuUs).median
    const ratio = spreadOfPairs(measured[kind].perSecond, measured[base].perSecond, (a, b) => a / b)
    const cpuRatio = spreadOfPairs(measured[kind].cpuUs, measured[base].cpuUs, (a, b) => b / a)
    const compare = kind === base ? '1' : `${show(ratio, 3)} of ${base}`
    const cpu = kind === base ? '1' : cpuRatio.median.toFixed(3)
    const line = `  ${label.padEnd(38)}${whole.format(perSecond).padStart(10)}${cpuUs.toFixed(1).padStart(9)}   ${compare.padEnd(46)}${cpu.padStart(6)}`
    console.log(required === undefined ? line : `${line}   ${verdict('at least', required, ratio.median >= required)}`)
  }
}

function printInProcess(figures: InProcessFigures): void {
  console.log('One call, without a server: nanoseconds more than the bare handler takes')
  const labels: [Row, string][] = [
    ['hand-written 0', 'a bare list by hand, 0 tasks'],
    ['ours 0', 'ours, 0 tasks'],
    ['hand-written 1', 'a bare list by hand, 1 task'],
    ['ours 1', 'ours, 1 task'],
  ]
  for (const [column, rows] of Object.entries(figures) as [Column, Record<Row, number[]>][]) {
    console.log(`  ${column.replace(',', ' handler,')} (bare: ${whole.format(spreadOf(rows.bare).median)} ns)`)
    for (const [row, label] of labels) {
      const extra = spreadOfPairs(rows[row], rows.bare, (ours, bare) => ours - bare)
      const line = `    ${label.padEnd(36)}${show(extra, 0)}`
      console.log(row === 'ours 0' ? `${line.padEnd(66)} ${verdict('at most', 250, extra.median <= 250)}` : line)
    }
  }
}

function printLongList({ bytes, nanoseconds }: LongListFigures): void {
  console.log('\nMany tasks with one argument on one request')
  const ours = spreadOf(bytes.ours)
  console.log(
    `    ${'bytes for each, waiting'.padEnd(36)}${show(ours, 0).padEnd(25)} ${verdict('at most', 350, ours.median <= 350)}`,
  )
  console.log(`    ${'… in a chain of bare promises'.padEnd(36)}${show(spreadOf(bytes.promiseChain), 0)}`)
  const each = Object.entries(nanoseconds).map(([length, figures]) => [Number(length), spreadOf(figures)] as const)
  // Ten times the tasks would be ten times the time for each, were it not linear. Short lists wait for turns mostly.
  const longest = each.at(-1)?.[1].median ?? Number.NaN
  const level = longest <= 4 * Math.min(...each.map(([, { median }]) => median))
  for (const [length, spread] of each) {
    const line = `    ${`${whole.format(length)} tasks, ns for each`.padEnd(36)}${show(spread, 0)}`
    console.log(length === 1_000_000 ? `${line.padEnd(66)}required level: ${level ? 'ok' : 'MISSED'}` : line)
  }
}

function show({ median, low, high }: Spread, digits: number): string {
  return `${median.toFixed(digits).padStart(6)} [${low.toFixed(digits)} … ${high.toFixed(digits)}]`
}

function verdict(how: 'at least' | 'at most', limit: number, met: boolean): string {
  return `required ${how} ${limit}: ${met ? 'ok' : 'MISSED'}`
}
