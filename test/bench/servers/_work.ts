/** What every server of the benchmark does, whatever it runs on: the same answers, and the same tasks behind them. */
type Task = (n: number) => unknown
/** Adds a task with its argument, in the way that the server stands for. */
export type Add = (task: Task, n: number) => unknown

export interface Report {
  /** Requests for `/0`, `/1` and `/10`. */
  served: number
  added: number
  ran: number
  /** Between the first `add` of `/many` and the end of its last task; 0 where the clock stands still meanwhile. */
  ms: number
  /** CPU time of the process so far; undefined where that cannot be asked for. */
  cpuUs: number | undefined
}

/** For frameworks that want to know. The last four: `?n=`, and for `/burn` also `&ms=`. */
export const paths = ['/0', '/1', '/10', '/burn', '/many', '/bytes', '/report'] as const

/** There only on some hosts. */
interface Globals {
  process?: {
    cpuUsage?(): { user: number; system: number }
    memoryUsage?(): { heapUsed: number }
  }
  gc?(): void
  Bun?: { gc(isSync: boolean): void }
}

const { process, gc, Bun } = globalThis as unknown as Globals
const answer = { message: 'Hello, world' }
let served = 0
let added = 0
let ran = 0
let startedAt = 0
let endedAt = 0
/** The clock of Workers stands still while code runs: there a millisecond is so many rounds. */
let roundsInMs = 0

export function countRounds(inMs: number): void {
  roundsInMs = inMs
}

/** Answers one of the paths. `url` may begin with the origin. */
export function work(url: string, add: Add): object {
  const target = url[0] === '/' ? url : url.slice(url.indexOf('/', 8))
  switch (target) {
    case '/0':
      return trivially(0, add)
    case '/1':
      return trivially(1, add)
    case '/10':
      return trivially(10, add)
    default:
      return measured(target, add)
  }
}

function trivially(n: number, add: Add): object {
  served++
  added += n
  for (let i = 0; i < n; i++) add(trivial, i)
  return answer
}

function measured(target: string, add: Add): object {
  const [path, query] = target.split('?')
  const parameters = new URLSearchParams(query)
  const n = Number(parameters.get('n'))
  added += n
  switch (path) {
    case '/burn':
      for (let i = 0; i < n; i++) add(burn, Number(parameters.get('ms')))
      return answer
    case '/many':
      startedAt = performance.now()
      for (let i = 0; i < n; i++) add(timed, i)
      return answer
    case '/bytes': {
      const before = heap()
      for (let i = 0; i < n; i++) add(trivial, i)
      const after = heap()
      return { bytes: before && after && (after - before) / n }
    }
    case '/report': {
      const cpu = process?.cpuUsage?.()
      return { served, added, ran, ms: endedAt - startedAt, cpuUs: cpu && cpu.user + cpu.system } satisfies Report
    }
    default:
      throw new Error(`There is no ${path}`)
  }
}

function trivial(): void {
  ran++
}

function timed(): void {
  if (++ran === added) endedAt = performance.now()
}

function burn(ms: number): void {
  if (roundsInMs > 0) spin(ms * roundsInMs)
  else for (const end = performance.now() + ms; performance.now() < end; );
  ran++
}

/** So that nothing of it is left out by a clever compiler, its result is looked at. */
export function spin(rounds: number): void {
  let seed = 1
  for (let i = 0; i < rounds; i++) seed = (seed * 48_271) % 2_147_483_647
  if (seed === 0) throw new Error('cannot be')
}

/** In bytes, after all garbage is gone; undefined where that cannot be asked for. */
function heap(): number | undefined {
  if (!gc && !Bun) return undefined
  for (let times = 0; times < 2; times++) gc ? gc() : Bun?.gc(true)
  return process?.memoryUsage?.().heapUsed
}
