/** What must hold of the context on every runtime. */
import { Hono } from 'hono'
import { addTask, currentTasks, taskContext, withTaskContext } from '../../adapters/context.ts'
import { detached } from '../../adapters/detached.ts'
import { backgroundTasks } from '../../adapters/hono.ts'
import { type BackgroundTasks, defineTask, withBackgroundTasks } from '../../src/index.ts'

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))

/** Each of 100 interleaved requests compares what it sees with the list it was given; so do its tasks. */
async function interleaved(): Promise<unknown> {
  const seen = { handler: 0, task: 0, retry: 0, addedByTask: 0 }
  const see = (place: keyof typeof seen, tasks: BackgroundTasks): void => {
    if (currentTasks() === tasks) seen[place]++
  }
  const twice = defineTask({
    name: 'twice',
    retry: { attempts: 2, delayMs: 0 },
    run: async (tasks: BackgroundTasks, { attempt }) => {
      await turn()
      if (attempt === 1) throw new Error('again')
      see('retry', tasks)
    },
  })
  async function task(tasks: BackgroundTasks): Promise<void> {
    await turn()
    see('task', tasks)
    addTask(see, 'addedByTask', tasks)
  }
  async function deep(tasks: BackgroundTasks, turns: number): Promise<void> {
    for (let i = 0; i < turns; i++) await turn()
    see('handler', tasks)
    addTask(task, tasks)
    addTask(twice, tasks)
  }
  const handler = withBackgroundTasks(
    withTaskContext(async (request, tasks) => {
      await deep(tasks, Number(new URL(request.url).pathname.slice(1)) % 7)
      return new Response('ok')
    }),
    { adapter: detached() },
  )
  const requests = Array.from({ length: 100 }, (_, index) => new Request(`http://localhost/${index}`))
  await Promise.all(requests.map((request) => handler(request)))
  await handler.drain()
  return seen
}

async function inHono() {
  const log: string[] = []
  const background = backgroundTasks({ adapter: detached() })
  const app = new Hono().use(background, taskContext())
  app.get('/', (c) => {
    addTask((name: string) => log.push(name), currentTasks() === c.var.tasks ? 'same list' : 'another list')
    return c.text('ok')
  })
  await app.request('/')
  await background.drain()
  return log
}

function outside(): string {
  try {
    addTask(() => {})
    return 'added'
  } catch (error) {
    return String(error)
  }
}

/** Asked as soon as the module is there: the very first request must not come too early. */
async function first(): Promise<unknown> {
  const handler = withBackgroundTasks(
    withTaskContext((_request, tasks) => Response.json(currentTasks() === tasks)),
    { adapter: detached() },
  )
  return (await handler(new Request('http://localhost/'))).json()
}

export async function scenario() {
  return {
    first: await first(),
    interleaved: await interleaved(),
    hono: await inHono(),
    current: String(currentTasks()),
    outside: outside(),
  }
}
