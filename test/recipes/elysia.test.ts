import { expect, test } from 'vitest'
import { type Booted, order } from '../examples/_example.ts'
import { testRecipe } from './_suite.ts'

const PAGES = `
    .use(tasks)
    .get('/stream', async function* ({ tasks, path }) {
      tasks.add(countVisit, path)
      yield 'first '
      yield await render('/waiting')
    })
    .get('/*', ({ tasks, path }) => {
      tasks.add(countVisit, path)
      return render(path)
    })
`

function testStream(running: () => Booted): void {
  test('waits with its task for the end of a stream', async () => {
    const server = running()
    const response = await fetch(`${server.url}/stream`)
    const chunks = response.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
    expect((await chunks.next()).value).toContain('first')
    await server.send('/meantime')
    await server.line('counted meantime')
    expect(order(server.log, 'counted stream')).toEqual([])
    await server.send('/arrival')
    expect((await chunks.next()).value).toContain('this is waiting')
    await server.line('counted stream')
  })
}

testRecipe(
  'Elysia',
  {
    packages: ['elysia', '@elysiajs/node', 'srvx'],
    start: `
      import { node } from '@elysiajs/node'
      import { Elysia } from 'elysia'
      import type { Server } from 'srvx'
      import { countVisit, render } from './pages.ts'
      import { tasks } from './tasks.ts'

      new Elysia({ adapter: node() })${PAGES}.listen(0, async (listening) => {
        const { raw } = listening as unknown as { raw: Server }
        await raw.ready()
        console.log(raw.url)
        process.once('SIGTERM', async () => {
          await raw.close()
          console.log('closed the server')
        })
      })
    `,
    stopped: 'closed the server',
    more: testStream,
  },
  'Elysia on Node',
)

testRecipe(
  'Elysia',
  {
    packages: ['elysia'],
    start: `
      import { gracefulShutdown } from 'background-tasks/bun'
      import { Elysia } from 'elysia'
      import { countVisit, render } from './pages.ts'
      import { background, tasks } from './tasks.ts'

      const app = new Elysia()${PAGES}.listen(0)
      console.log(String(app.server!.url))
      gracefulShutdown(app.server!, background)
    `,
    command: 'bun start.ts',
    lastByte: false,
    more: testStream,
  },
  'Elysia on Bun',
)
