/** Which lists a recorder still holds when they are over, by the way they ended. Wants `--expose-gc`. */
import { recordTasks } from '../../adapters/testing.ts'
import { type BackgroundTasks, withBackgroundTasks } from '../../src/index.ts'

declare const gc: () => void

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))
const recorder = recordTasks()
const lists = new Map<string, WeakRef<BackgroundTasks>>()
let late: (() => void) | undefined

const handler = withBackgroundTasks(
  (request, tasks) => {
    const way = new URL(request.url).pathname.slice(1)
    lists.set(way, new WeakRef(tasks))
    if (way !== 'without-tasks') tasks.add(() => {})
    if (way === 'handler-throws') throw new Error('the handler failed')
    if (way === 'handler-clears') tasks.clear()
    if (way === 'late-add') late = () => tasks.add(() => {})
    return new Response('ok')
  },
  // The adapter is asked even where there is no task.
  { adapter: recorder, start: 'body' },
)

const endings: Record<string, () => unknown> = {
  run: () => recorder.runAll(),
  'late-add': async () => {
    await recorder.runAll()
    late?.()
    late = undefined
    await recorder.runAll()
  },
  cleared: () => recorder.clear(),
  drained: () => handler.drain({ timeoutMs: 0 }),
  'without-tasks': () => {},
  'handler-throws': () => {},
  'handler-clears': () => {},
  held: () => {},
}

export async function scenario(): Promise<string[]> {
  for (const [way, end] of Object.entries(endings)) {
    try {
      await handler(new Request(`http://localhost/${way}`))
    } catch {}
    await end()
  }
  for (let i = 0; i < 5; i++) await turn()
  gc()
  const left = [...lists].filter(([, list]) => list.deref()).map(([way]) => way)
  // What it holds until now.
  if (recorder.pending.length !== 1) throw new Error(`${recorder.pending.length} tasks are pending`)
  return left
}
