/** What the recipe of a server framework has to do, over a real socket. */
import { type ClientRequest, get, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Booted, Example, order } from '../examples/_example.ts'
import { recipe } from './_recipe.ts'

/** An app around a recipe, which answers GET with what `render` gives and adds the task `countVisit`. */
export interface App {
  /** The packages that it needs beside this one, those with types included. */
  readonly packages: readonly string[]
  /** The file that starts it. */
  readonly start: string
  /** @default 'node start.ts' */
  readonly command?: string
  /** Where a page is. @default `/${page}` */
  readonly path?: (page: string) => string
  /** The status where the handler failed. @default 500 */
  readonly failure?: number
  /** Whether tasks wait for the last byte of a body that is no stream. @default true */
  readonly lastByte?: boolean
  /** What it prints when it was asked to stop and has no more to do. @default nothing: it dies by the signal */
  readonly stopped?: string
  /** What else is special; it is given the server. */
  readonly more?: (running: () => Booted) => void
}

/**
 * The rest of the app. The visit of a busy page is counted after 300 of 400 ms of CPU: a response that the task holds back
 * comes 100 ms after that line, and another one well before it.
 */
const PAGES = `
  let arrive = () => {}

  export async function render(url: string): Promise<string> {
    const page = nameOf(url)
    console.log('rendering', page)
    if (page === 'broken') throw new Error('This page is broken')
    if (page === 'arrival') arrive()
    if (page === 'waiting') {
      await new Promise<void>((resolve) => {
        arrive = resolve
      })
    }
    return 'this is ' + page.padEnd(page === 'large' ? 30_000_000 : 0)
  }

  export async function countVisit(url: string): Promise<void> {
    const page = nameOf(url)
    if (page === 'slow') await new Promise((resolve) => setTimeout(resolve, 300))
    if (page === 'busy') burn(300)
    console.log('counted', page)
    if (page === 'busy') burn(100)
  }

  function burn(ms: number): void {
    const end = performance.now() + ms
    while (performance.now() < end);
  }

  function nameOf(url: string): string {
    return url.slice(url.lastIndexOf('/') + 1)
  }
`

/**
 * @param heading of the recipe
 * @param app the app around it
 * @param name where a framework has several
 */
export function testRecipe(heading: string, app: App, name: string = heading): void {
  const { packages, start, command = 'node start.ts', path = (page) => `/${page}` } = app
  const { failure = 500, lastByte = true, stopped, more } = app
  let example: Example
  let running: Booted

  // srvx stops gracefully unless it is told that it runs in a test.
  const boot = (): Promise<Booted> => example.boot(command, { CI: '', TEST: '' })

  describe(`the recipe of ${name}`, () => {
    beforeAll(async () => {
      const { file, code } = recipe(heading)
      example = await Example.empty()
      const names = ['background-tasks', '@types/node', ...packages]
      await example.write('package.json', {
        type: 'module',
        dependencies: Object.fromEntries(names.map((one) => [one, '*'])),
      })
      await example.install()
      await example.write(file, code)
      await example.write('pages.ts', PAGES)
      await example.write('start.ts', start)
      running = await boot()
    })
    afterAll(async () => {
      await running?.[Symbol.asyncDispose]()
      await example?.[Symbol.asyncDispose]()
    })

    test('type-checks', () => example.typeCheck('node', 'start.ts'))

    test('has answered before its task burns CPU', async () => {
      // The first request of a process loads half of it.
      await running.send(path('first'))
      await running.line('counted first')
      const { status, text } = await running.send(path('busy'))
      expect([status, text]).toEqual([200, expect.stringContaining('this is busy')])
      await running.line('counted busy')
      expect(order(running.log, 'answered', 'counted')).toEqual(['answered', 'counted', 'answered', 'counted'])
    })

    if (lastByte) {
      test('waits with its task for a client that takes its time', async () => {
        const response = await responseTo(get(running.url + path('large')))
        await running.send(path('meanwhile'))
        await running.line('counted meanwhile')
        expect(order(running.log, 'counted large')).toEqual([])
        response.resume()
        await running.line('counted large')
      })
    }

    test('discards the task of a handler that fails', async () => {
      expect((await running.send(path('broken'))).status).toBe(failure)
      await running.send(path('sound'))
      await running.line('counted sound')
      expect(order(running.log, 'rendering broken', 'counted broken')).toEqual(['rendering broken'])
    })

    test('runs the task once of a client that leaves before it is answered', async () => {
      const leaving = get(running.url + path('waiting')).on('error', () => {})
      const closed = new Promise((resolve) => leaving.on('close', resolve))
      await running.line('rendering waiting')
      leaving.destroy()
      await closed
      await running.send(path('arrival'))
      await running.line('counted waiting')
      await running.send(path('last'))
      await running.line('counted last')
      expect(order(running.log, 'counted waiting')).toHaveLength(1)
    })

    test('waits for a task that still runs when it is asked to stop', async () => {
      await using another = await boot()
      await another.send(path('slow'))
      await another.terminate()
      const steps = ['answered', 'counted slow', ...(stopped ? [stopped] : [])]
      expect(order(another.log, ...steps)).toEqual(steps)
    })

    more?.(() => running)
  })
}

function responseTo(asked: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => asked.on('response', resolve).on('error', reject))
}
