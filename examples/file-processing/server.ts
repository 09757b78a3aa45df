/**
 * An upload is accepted at once, and processed afterwards: its words are counted, it is hashed and compressed. The temporary
 * file is deleted when that has ended, however it ended.
 *
 *     npm install && npm start
 *     curl -F file=@package.json localhost:3000/files
 *     curl localhost:3000/files/<id>
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { serve } from '@hono/node-server'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { processFile, type Summary, temporaryFolder } from './files.ts'

type Upload = { state: 'processing' } | ({ state: 'done' } & Summary) | { state: 'failed'; error: string }

/** Here your database is asked. */
const uploads = new Map<string, Upload>()

const { PORT = '3000', STORE = './store' } = process.env
await mkdir(STORE, { recursive: true })

const background = backgroundTasks()
const app = new Hono().use(background)

app.post('/files', bodyLimit({ maxSize: 50 * 1024 * 1024 }), async (c) => {
  const { file } = await c.req.parseBody()
  if (!(file instanceof File)) return c.json({ error: 'the field file must be a file' }, 400)
  const id = crypto.randomUUID()
  // From here on it will be deleted: also where writing the file fails, or the client leaves.
  const folder = c.var.tasks.use(await temporaryFolder())
  const path = join(folder.path, 'upload')
  await writeFile(path, file.stream())
  uploads.set(id, { state: 'processing' })
  c.var.tasks.add(processUpload, id, path)
  return c.json({ id }, 202, { location: `/files/${id}` })
})

app.get('/files/:id', (c) => {
  const upload = uploads.get(c.req.param('id'))
  return upload ? c.json(upload) : c.json({ error: 'no such file' }, 404)
})

async function processUpload(id: string, path: string): Promise<void> {
  try {
    const summary = await processFile(path, join(STORE, `${id}.gz`))
    uploads.set(id, { state: 'done', ...summary })
    console.log(`processed ${id}, ${summary.words} words`)
  } catch (error) {
    uploads.set(id, { state: 'failed', error: error instanceof Error ? error.message : String(error) })
    throw error
  }
}

const server = serve({ fetch: app.fetch, port: Number(PORT) }, ({ port }) => console.log(`http://localhost:${port}`))

gracefulShutdown(server, background, { timeoutMs: 8000 })
