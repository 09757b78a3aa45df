/**
 * What the library costs and what it saves, beside what one would use instead: `npm run bench` takes ten minutes and writes
 * RESULTS.md; `npm run bench -- quick` takes one, and shows only that all of it works. What the engines of queues do:
 * `npm run bench -- queues`.
 *
 * Everything is compared with its like in one run, in alternating rounds (A B A B …): a figure is the median of the
 * rounds' ratios or differences, behind it stands half of the width in which the middle half of the rounds lies.
 */
import { availableParallelism, loadavg } from 'node:os'
import { type Behind, measureBehind } from './_behind.ts'
import { Child } from './_child.ts'
import type { InProcessFigures } from './_in-process.ts'
import { measureImports, measureSizes } from './_package.ts'
import { full, quick } from './_plan.ts'
import { benchQueues } from './_queues.ts'
import { measureRequests, type Requests } from './_requests.ts'
import { writeResults } from './_results.ts'
import { missingPython, type Running, start } from './_started.ts'
import { groups as allGroups, type Bare, type Group, type System } from './_systems.ts'
import { asText, type Table } from './_table.ts'
import {
  burnTable,
  bytesTable,
  importTable,
  inProcessTable,
  lengthsTable,
  othersTable,
  requestsTable,
  sizeTable,
} from './_tables.ts'

const started = performance.now()
const isQuick = process.argv[2] === 'quick'
const plan = isQuick ? quick : full

const busy = loadavg()[0] ?? 0
console.log(`background-tasks on Node ${process.versions.node}, ${availableParallelism()} CPUs`)
const remarks: string[] = []
if (busy > 1) remark(`The machine was busy already (load ${busy.toFixed(1)}): what follows is not to be relied on.`)
if (process.argv[2] === 'queues') process.exit((await benchQueues(process.argv[3])) ? 0 : 1)

const noPython = await missingPython()
if (noPython) remark(noPython)
const groups = allGroups.filter(({ systems }) => !(noPython && systems.some(({ runtime }) => runtime === 'python')))

progress('calls, imports and sizes')
const call = inProcessTable(await measureCalls())
const imports = importTable(await measureImports(plan.rounds.imports, !noPython))
const sizes = sizeTable(await measureSizes())
const requests: Requests = new Map()
const behinds = new Map<string, Behind>()
for (const [index, group] of groups.entries()) {
  const left = groups.slice(index).reduce((sum, { weight }) => sum + weight, 0)
  await measureGroup(group, ((plan.finishMs - (performance.now() - started)) * group.weight) / left)
}
const systems = groups.flatMap((group) => group.systems)
const tables: Table[] = [
  requestsTable(groups, requests),
  burnTable(systems, behinds),
  othersTable(systems, behinds, plan),
  bytesTable(systems, behinds),
  lengthsTable(systems, behinds, plan),
  call,
  imports,
  sizes,
]
console.log('\nBehind ± stands half of the width in which the middle half of the rounds lies.')
console.log(`\n${asText(tables)}\n`)

const seconds = Math.round((performance.now() - started) / 1000)
if (!isQuick) remark(await writeResults(tables, remarks, seconds))
console.log(`A figure that MISSED once may be noise of the machine: look at the spread. Took ${seconds} s.`)

function remark(text: string): void {
  remarks.push(text)
  console.log(text)
}

function progress(what: string): void {
  console.log(`after ${Math.round((performance.now() - started) / 1000)} s: ${what}`)
}

async function measureCalls(): Promise<InProcessFigures> {
  using child = new Child('./_in-process.ts', [`${plan.columnMs}`])
  return await child.answer<InProcessFigures>()
}

/** Requests first, in processes that have done nothing else; what is behind a response in the last of them. */
async function measureGroup({ title, bares, systems }: Group, ms: number): Promise<void> {
  progress(title)
  const requestsMs = ms - plan.behindMs * systems.length
  const begun = performance.now()
  for (let generation = 1; generation <= plan.generations; generation++) {
    await using stack = new AsyncDisposableStack()
    const isLast = generation === plan.generations
    const started: Running<Bare | System>[] = await Promise.all(
      [...bares, ...systems].map(async (each) => stack.use(await start(each))),
    )
    const until = begun + (requestsMs * generation) / plan.generations
    await measureRequests(started, requests, plan, until)
    if (!isLast) continue
    for (const server of started) if (isSystem(server)) behinds.set(server.system.id, await measureBehind(server, plan))
  }
}

function isSystem(server: Running<Bare | System>): server is Running<System> {
  return 'bare' in server.system
}
