/** What must hold of the recorder on every runtime. */
import { Hono } from 'hono'
import { backgroundTasks } from '../../adapters/hono.ts'
import { recordTasks } from '../../adapters/testing.ts'
import { defineTask, withBackgroundTasks } from '../../src/index.ts'

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))

/** A class, as not every runtime has the syntax `using`. */
class Resource {
  readonly #log: string[]
  constructor(log: string[]) {
    this.#log = log
  }

  [Symbol.dispose]() {
    this.#log.push('disposed')
  }
}

export async function scenario() {
  const log: string[] = []
  const recorder = recordTasks()
  const options = { adapter: recorder, onError: () => log.push('onError') }
  const flaky = defineTask({
    name: 'flaky',
    retry: { attempts: 3, delayMs: 60_000 },
    run: async (input: string, { attempt }) => {
      await turn()
      if (attempt < 3) throw new Error('again')
      log.push(`${input} at attempt ${attempt}`)
    },
  })
  const handler = withBackgroundTasks((_request, tasks) => {
    tasks.use(new Resource(log))
    tasks.add(flaky, 'flaky')
    tasks.add(async function nests() {
      await turn()
      tasks.add(() => log.push('added by a task'))
    })
    return new Response('plain')
  }, options)
  const app = new Hono().use(backgroundTasks(options))
  app.get('/', (c) => {
    c.var.tasks.add(function fails() {
      throw new Error('no')
    })
    return c.text('hono')
  })
  app.get('/throws', (c) => {
    c.var.tasks.add(() => log.push('ran after a throw'))
    throw new Error('the handler failed')
  })
  app.onError((_error, c) => c.text('sorry', 500))

  const responses = [await handler(new Request('http://localhost/')), await app.request('/')]
  responses.push(await app.request('/throws'))
  const bodies = await Promise.all(responses.map((response) => response.text()))
  await turn()
  const before = { log: [...log], pending: recorder.pending.map(({ name, input }) => (input ? [name, input] : [name])) }
  const { errors, ...report } = await recorder.runAll()
  const after = { log: [...log], pending: recorder.pending.length, report, errors: errors.map(String) }
  await app.request('/')
  recorder.clear()
  return { bodies, before, after, cleared: recorder.pending.length }
}
