/** Faults in every place, then fairness. Takes up to two minutes: `npm run stress`; exits with 1 when anything is off. */
import { availableParallelism, loadavg } from 'node:os'
import { type FairnessFigures, type Latencies, runFairness } from './_fairness.ts'
import { type FaultFigures, runFaults, stressSeed } from './_faults.ts'

const REQUESTS = 52_000
const MAX_GROWTH_BYTES = 32
const TASKS = 2_000
const ROUNDS = 3
const REQUIRED_P99_MS = 15

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const started = performance.now()
const seed = stressSeed()
const load = loadavg()[0]?.toFixed(1)
console.log(
  `background-tasks on Node ${process.versions.node}, ${availableParallelism()} CPUs, load ${load}; STRESS_SEED=${seed}`,
)

const faults = await runFaults(REQUESTS, seed, MAX_GROWTH_BYTES)
printFaults(faults)
const fairness = await runFairness(TASKS, ROUNDS)
printFairness(fairness)

const problems = [...faults.problems, ...problemsOf(fairness)]
for (const problem of problems) console.log(`PROBLEM: ${problem}`)
const verdict = problems.length > 0 ? `OFF, STRESS_SEED=${seed} repeats it` : 'all accounted for'
console.log(`\n${verdict}. Took ${whole.format((performance.now() - started) / 1000)} s.`)
process.exitCode = problems.length > 0 ? 1 : 0

function printFaults(figures: FaultFigures): void {
  const { sent, handled, perSecond, aborted, pipelined, slow, heaps, growth } = figures
  console.log('\nRandom faults over real sockets')
  row('requests sent', sent, `${whole.format(handled)} handled, ${whole.format(perSecond)} per second`)
  row('aborted by the client', aborted, 'before, during or after the body')
  row('pipelined', pipelined)
  row('read slowly', slow)
  row('tasks added', figures.added, `${figures.open} open; ${whole.format(figures.afterAbort)} ran after an abort`)
  row('succeeded', figures.succeeded)
  row('failed', figures.failed, `onError called ${whole.format(figures.errors)} times`)
  row('discarded', figures.discarded)
  row('abandoned', figures.abandoned)
  row('retries', figures.retrying)
  row('resources used', figures.resources, `${whole.format(figures.disposed)} disposed of`)
  const megabytes = heaps.map((bytes) => (bytes / 1e6).toFixed(2)).join('  ')
  console.log(`  ${'heap, MB'.padEnd(24)}${megabytes}   at 20, 40, 60, 80, 100 %`)
  console.log(`  ${'… growth since 40 %'.padEnd(24)}${growth.toFixed(1)} bytes for each request`)
}

function row(label: string, count: number, remark = ''): void {
  console.log(`  ${label.padEnd(24)}${whole.format(count).padStart(8)}   ${remark}`.trimEnd())
}

function printFairness({ idle, ours, chain }: FairnessFigures): void {
  console.log(`\nOther requests while one request drains ${whole.format(TASKS)} tasks of 1 ms, in milliseconds`)
  console.log(`  ${''.padEnd(30)}requests     p50     p99     max   took    CPU of the server`)
  latencies('idle server', idle)
  for (const [round, each] of ours.entries()) latencies(`background-tasks, round ${round + 1}`, each)
  latencies('plain chain of promises', chain)
}

function latencies(label: string, { requests, p50, p99, max, duration, cpu }: Latencies): void {
  const times = [p50, p99, max].map((ms) => ms.toFixed(ms < 100 ? 1 : 0).padStart(8)).join('')
  console.log(
    `  ${label.padEnd(30)}${whole.format(requests).padStart(8)}${times}${duration.toFixed(0).padStart(7)}${`${(cpu * 100).toFixed(0)} %`.padStart(9)}`,
  )
}

/** By the best round, as the noise of a machine only adds. */
function problemsOf({ ours, chain }: FairnessFigures): string[] {
  const { p99, cpu } = ours.reduce((best, each) => (each.p99 < best.p99 ? each : best))
  const problems: string[] = []
  if (p99 >= REQUIRED_P99_MS) {
    const machine = cpu < 0.9 ? ', but the machine was busy elsewhere' : ''
    problems.push(`p99 was ${p99.toFixed(1)} ms, not under ${REQUIRED_P99_MS}${machine}`)
  }
  if (chain.p99 < TASKS / 2) problems.push('the plain chain held up nobody, so nothing was measured')
  return problems
}
