/** What the servers of graceful-shutdown.test.ts answer, and what their tasks do until SIGUSR2 lets them go on. */
import type { BackgroundTasks, Drainable } from '../../src/index.ts'

// The signal, as an open standard input would keep the process alive by itself.
const released = new Promise<void>((resolve) => void process.once('SIGUSR2', resolve))
const takesTime = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50))

/** The body of a response. */
export type Body = string | Uint8Array<ArrayBuffer> | AsyncIterable<Uint8Array<ArrayBuffer>>

export async function answer(path: string, tasks: BackgroundTasks): Promise<Body> {
  switch (path) {
    case '/stream':
      return stream(tasks)
    case '/endless':
      tasks.add(function neverStarted() {})
      return endless()
    case '/big':
      return new Uint8Array(20_000_000)
    case '/held':
      await released
      return 'held'
    case '/task':
      tasks.add(async () => {
        await released
        await takesTime()
        console.log('task done')
      })
      return 'ok'
    case '/hang':
      // Nothing that the host knows keeps this one alive.
      tasks.add(function hang() {
        return new Promise(() => {})
      })
      tasks.add(function behind() {})
      return 'ok'
    case '/chain':
      tasks.add(async () => {
        await released
        tasks.add(link, tasks, 1)
      })
      return 'ok'
    default:
      return 'ok'
  }
}

async function link(tasks: BackgroundTasks, number: number): Promise<void> {
  await takesTime()
  console.log(`link ${number}`)
  if (number < 3) tasks.add(link, tasks, number + 1)
}

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

async function* stream(tasks: BackgroundTasks): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield bytes('first ')
  await released
  tasks.add(async () => {
    await takesTime()
    console.log('task of the stream done')
  })
  yield bytes('last')
}

async function* endless(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield bytes('first ')
  await new Promise(() => {})
}

/** The same as a Web-standard handler. */
export async function respond(request: Request, tasks: BackgroundTasks): Promise<Response> {
  const body = await answer(new URL(request.url).pathname, tasks)
  const isStream = typeof body === 'object' && Symbol.asyncIterator in body
  // The types of the DOM do not know `from`.
  return new Response(isStream ? (ReadableStream as any).from(body) : body)
}

type GracefulShutdown<S> = (server: S, drainables: Drainable, options: { timeoutMs?: number }) => Disposable

/** Arms the shutdown as the test asks for, and says which port the server has. */
export function serveUntilSignal<S>(
  gracefulShutdown: GracefulShutdown<S>,
  server: S,
  port: number,
  drainable: Drainable,
) {
  const { TIMEOUT_MS, MODE } = process.env
  const drain: Drainable['drain'] = async (options) => {
    const report = await drainable.drain(options)
    console.log('drained')
    return report
  }
  if (MODE === 'another listener') {
    process.on('SIGTERM', () => console.log('heard'))
    process.on('SIGHUP', () => console.log('alive'))
    setInterval(() => {}, 1000)
  }
  const shutdown = gracefulShutdown(server, { drain }, TIMEOUT_MS ? { timeoutMs: Number(TIMEOUT_MS) } : {})
  if (MODE === 'disposed') shutdown[Symbol.dispose]()
  console.log(port)
}
