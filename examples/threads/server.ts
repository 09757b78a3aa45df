/**
 * Pictures are blurred after the response, in a thread, so that everybody else is answered meanwhile.
 *
 *     npm install && npm start
 *     curl -X POST localhost:3000/pictures && time curl localhost:3000/ping
 */
import { serve } from '@hono/node-server'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { inThread } from 'background-tasks/threads'
import { Hono } from 'hono'

const blur = inThread<typeof import('./blur.ts').blur>(new URL('./blur.ts', import.meta.url), 'blur')

const background = backgroundTasks()
const app = new Hono().use(background)

app.post('/pictures', (c) => {
  const file = `${crypto.randomUUID()}.pgm`
  c.var.tasks.add(blur, file, Number(process.env.TIMES ?? 100))
  c.var.tasks.add(console.log, `wrote ${file}`)
  return c.json({ file }, 202)
})

app.get('/ping', (c) => c.text('pong'))

const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: app.fetch, port }, (address) => console.log(`http://localhost:${address.port}`))

gracefulShutdown(server, [background, blur], { timeoutMs: 8000 })
