/**
 * Short links on Workers, without a framework: the visitor is redirected at once; the click is counted afterwards.
 *
 *     npm install && npx wrangler kv key put --local --binding LINKS hono https://hono.dev && npm start
 *     curl -i localhost:8787/hono
 */
import { withBackgroundTasks } from 'background-tasks'

interface Env {
  LINKS: KVNamespace
  CLICKS: KVNamespace
  WEBHOOK_URL: string
}

export default {
  fetch: withBackgroundTasks(async (request, tasks, env: Env, _ctx: ExecutionContext) => {
    const link = new URL(request.url).pathname.slice(1)
    const target = await env.LINKS.get(link)
    if (target === null) return new Response('There is no such link', { status: 404 })
    tasks.add(callWebhook, env, link)
    tasks.add(countClick, env, link)
    return Response.redirect(target, 302)
  }),
}

async function callWebhook(env: Env, link: string): Promise<void> {
  const response = await fetch(env.WEBHOOK_URL, { method: 'POST', body: link })
  if (!response.ok) throw new Error(`The webhook answered ${response.status}`)
}

async function countClick(env: Env, link: string): Promise<void> {
  const clicks = Number(await env.CLICKS.get(link)) + 1
  await env.CLICKS.put(link, String(clicks))
  console.log(`click ${clicks} on ${link}`)
}
