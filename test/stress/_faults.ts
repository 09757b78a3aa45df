/** Sends requests to a server that fails in every way, and looks whether every task and resource is accounted for. */
import { Child } from '../bench/_child.ts'
import type { Answer, Question } from './_faults-server.ts'
import { type Visited, Visitors } from './_visitors.ts'

export interface FaultFigures extends Visited, Omit<Answer, 'heap' | 'problems'> {
  seed: number
  perSecond: number
  /** Bytes in use at 20, 40, 60, 80 and 100 % of the requests. */
  heaps: number[]
  /** Bytes by which the heap grew for each request after the first two fifths. */
  growth: number
  problems: string[]
}

const CLIENTS = 64

/** Another one each time, which is printed; STRESS_SEED repeats it. */
export function stressSeed(): number {
  return Number(process.env['STRESS_SEED'] ?? Date.now() % 2 ** 31)
}

/**
 * Sends so many requests.
 *
 * @param maxGrowth how many bytes the heap may grow by for each request after the first two fifths, which are the warm-up
 */
export async function runFaults(requests: number, seed: number, maxGrowth: number): Promise<FaultFigures> {
  using server = new Child(new URL('./_faults-server.ts', import.meta.url).href, [`${seed}`], ['--expose-gc'])
  const { port } = await server.answer<{ port: number }>()
  using visitors = new Visitors(port, seed)
  const heaps: number[] = []
  let sendingMs = 0
  let answer: Answer | undefined
  for (let part = 1; part <= 5; part++) {
    const started = performance.now()
    await visitors.visit((requests * (part - 1)) / 5, (requests * part) / 5, CLIENTS)
    sendingMs += performance.now() - started
    answer = await server.ask<Answer>({ isEnd: part === 5 } satisfies Question)
    heaps.push(answer.heap)
    if (answer.problems.length > 0) break
  }
  const { heap: _heap, problems, ...counts } = answer as Answer
  const { visited } = visitors
  const growth = ((heaps[4] as number) - (heaps[1] as number)) / (requests * 0.6)
  const figures = { ...visited, ...counts, seed, perSecond: visited.sent / (sendingMs / 1000), heaps, growth }
  return { ...figures, problems: [...visited.problems, ...problems, ...problemsOf(figures, maxGrowth)] }
}

function problemsOf(figures: Omit<FaultFigures, 'problems'>, maxGrowth: number): string[] {
  const { added, succeeded, failed, discarded, abandoned, resources, disposed, errors, disposalsFailed } = figures
  const ended = succeeded + failed + discarded + abandoned
  const problems: string[] = []
  if (ended !== added) problems.push(`${added} tasks were added, ${ended} have ended`)
  if (disposed !== resources) problems.push(`${resources} resources were used, ${disposed} disposed of`)
  if (errors !== failed + disposalsFailed) {
    problems.push(
      `onError was called ${errors} times for ${failed} failed tasks and ${disposalsFailed} failed disposals`,
    )
  }
  if (figures.growth > maxGrowth) {
    problems.push(`the heap grew by ${figures.growth.toFixed(0)} bytes for each request, not at most ${maxGrowth}`)
  }
  // What never happened was not tested.
  const { open: _open, seed: _seed, growth: _growth, ...mustHappen } = figures
  for (const [name, count] of Object.entries(mustHappen)) {
    if (count === 0) problems.push(`nothing counted as '${name}'`)
  }
  return problems
}
