/** A Deno process with schedules; what it prints is what the test looks at. */
import { gracefulShutdown } from '../../adapters/deno.ts'
import { memory } from '../../adapters/queues/memory.ts'
import { deno } from '../../adapters/schedules/deno.ts'
import { defineTask, type TaskEvent } from '../../src/index.ts'

declare const Deno: {
  readonly args: string[]
  addSignalListener(signal: string, listener: () => void): void
  serve(options: object, handler: () => Response): { shutdown(): Promise<void> }
}

const [mode] = Deno.args
let running = 0
let release: () => void = () => {}
const released = new Promise<void>((resolve) => {
  release = resolve
})
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const quick = defineTask({ name: 'quick', run: (to: string, { id }) => console.log('quick', to, id) })
const slow = defineTask({
  name: 'slow',
  run: async (_input: undefined, { signal }) => {
    console.log('slow start', ++running)
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    if (mode === 'slow') await wait(300)
    else await Promise.race([mode === 'hang' ? aborted : released, aborted])
    // What waits for it has to have time to be wrong.
    await wait(50)
    console.log('slow end', running--)
  },
})
const failing = defineTask({
  name: 'failing',
  retry: { attempts: 2, delayMs: 1 },
  run: () => {
    throw new Error('out of order')
  },
})

const observer = ({ type, task, attempt, reason }: TaskEvent): void =>
  console.log('event', type, task.name, attempt ?? '', reason ?? '')

const every = '* * * * *'

switch (mode) {
  case 'quick': {
    const schedules = deno([{ task: quick, cron: every, input: 'ada' }])
    Deno.addSignalListener(
      'SIGUSR2',
      () => void schedules.close().then((report) => console.log('closed', JSON.stringify(report))),
    )
    break
  }
  case 'slow':
  case 'held':
  case 'hang': {
    const schedules = deno([{ task: slow, cron: every }], { observer })
    // While a task runs, nothing of a cron keeps the process alive.
    const alive = setInterval(() => {}, 1000)
    Deno.addSignalListener('SIGUSR2', async () => {
      const closed = schedules.close({ timeoutMs: mode === 'hang' ? 50 : 10_000 })
      release()
      console.log('closed', JSON.stringify(await closed))
      clearInterval(alive)
    })
    break
  }
  case 'shutdown': {
    const server = Deno.serve({ hostname: '127.0.0.1', port: 0, onListen() {} }, () => new Response('ok'))
    const schedules = deno([{ task: slow, cron: every }])
    const drain: typeof schedules.drain = (options) => {
      const drained = schedules.drain(options)
      release()
      return drained
    }
    gracefulShutdown(server, { drain })
    break
  }
  case 'failing':
    deno([{ task: failing, cron: every }], {
      observer,
      onError: (error, { name, attempt }) => console.log('error', name, attempt, String(error)),
    })
    break
  case 'queue': {
    const queue = memory()
    deno([{ task: quick, cron: every, input: 'ada', key: 'of the queue' }], { queue, observer })
    await queue.work([quick])
    break
  }
  case 'names':
    deno([
      { task: quick, cron: every, input: 'a' },
      { task: quick, cron: every, input: 'b', key: 'a.b' },
      { task: quick, cron: every, input: 'c', key: 'a_2e_b' },
      { task: quick, cron: every, input: 'd', key: 'ünü 2' },
      { task: slow, cron: every, key: 'quick' },
      { task: slow, cron: every, key: 'slow slow' },
    ])
      .close()
      .then(() => console.log('closed'))
    break
  case 'refused': {
    const attempt = (what: string, call: () => unknown): void => {
      try {
        call()
        console.log(what, 'was taken')
      } catch (error) {
        console.log(what, String(error))
      }
    }
    attempt('cron', () =>
      deno([
        { task: slow, cron: every },
        { task: quick, cron: '61 * * * *', input: 'ada' },
      ]),
    )
    // What was taken before the refused one is given up.
    attempt('again', () => deno([{ task: slow, cron: every }]))
    attempt('twice', () => deno([{ task: slow, cron: every }]))
    console.log('over')
    break
  }
  default:
    console.log('started')
    deno([{ task: slow, cron: every }])
}
