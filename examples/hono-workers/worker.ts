/**
 * A small content API on Workers: whoever saves an article is answered at once; what shows the old text is cleared afterwards.
 *
 *     npm install && npm start
 *     curl -X PUT localhost:8787/articles/hello --data 'Hello'
 *     curl localhost:8787/articles/hello
 */
import { backgroundTasks } from 'background-tasks/hono'
import { Hono } from 'hono'

interface Bindings {
  ARTICLES: KVNamespace
  REVALIDATE_URL: string
}

const app = new Hono<{ Bindings: Bindings }>().use(backgroundTasks())

app.get('/articles/:slug', async (c) => {
  const cached = await caches.default.match(c.req.url)
  if (cached) return cached
  const text = await c.env.ARTICLES.get(c.req.param('slug'))
  if (text === null) return c.notFound()
  const response = c.text(text, 200, { 'cache-control': 'max-age=3600' })
  c.var.tasks.add(keepInCache, c.req.url, response.clone())
  return response
})

app.put('/articles/:slug', async (c) => {
  const slug = c.req.param('slug')
  await c.env.ARTICLES.put(slug, await c.req.text())
  c.var.tasks.add(revalidateSite, c.env.REVALIDATE_URL, slug)
  c.var.tasks.add(purgeCache, c.req.url)
  return c.body(null, 204)
})

async function keepInCache(url: string, response: Response): Promise<void> {
  await caches.default.put(url, response)
  console.log(`cached ${url}`)
}

async function purgeCache(url: string): Promise<void> {
  await caches.default.delete(url)
  console.log(`purged ${url}`)
}

async function revalidateSite(url: string, slug: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', body: slug })
  if (!response.ok) throw new Error(`The site answered ${response.status}`)
}

export default app
