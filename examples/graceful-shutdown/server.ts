/**
 * An upload is answered at once, and its thumbnails are made afterwards. Stop the server while it makes them: they will be
 * finished, and then the process dies by the signal, as whoever runs it expects.
 *
 *     npm install && npm start
 *     curl -X POST localhost:3000/pictures/cat
 *     kill %1, or Ctrl+C; twice, if you cannot wait
 */
import { setTimeout } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'

const background = backgroundTasks()
const app = new Hono().use(background)

app.post('/pictures/:name', (c) => {
  const { name } = c.req.param()
  c.var.tasks.add(makeThumbnails, name)
  return c.json({ name }, 202)
})

async function makeThumbnails(picture: string): Promise<void> {
  console.log(`making the thumbnails of ${picture}`)
  await setTimeout(1000) // Here your image library is called.
  console.log(`made the thumbnails of ${picture}`)
}

const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: app.fetch, port }, (address) => console.log(`http://localhost:${address.port}`))

gracefulShutdown(server, background, { timeoutMs: Number(process.env.TIMEOUT_MS ?? 8000) })
