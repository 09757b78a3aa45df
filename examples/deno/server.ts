/**
 * A Slack command, which has to be answered within three seconds: it is at once, and the real answer is posted afterwards.
 *
 *     deno task start
 *     curl localhost:8000 --data 'text=ping&response_url=http://localhost:9000/'
 */
import { withBackgroundTasks } from 'background-tasks'
import { gracefulShutdown } from 'background-tasks/deno'

const handler = withBackgroundTasks(async (request: Request, tasks) => {
  // Check Slack's signature here.
  const command = new URLSearchParams(await request.text())
  const text = command.get('text') ?? ''
  tasks.add(answer, text, command.get('response_url') ?? '')
  tasks.add(writeAuditLog, `answered '${text}'`)
  return Response.json({ text: 'I am looking it up.' })
})

async function answer(text: string, responseUrl: string): Promise<void> {
  const found = text.toUpperCase() // Here you look it up.
  const response = await fetch(responseUrl, { method: 'POST', body: JSON.stringify({ text: found }) })
  if (!response.ok) throw new Error(`Slack answered ${response.status}`)
}

function writeAuditLog(entry: string): void {
  console.log(new Date().toISOString(), entry)
}

const server = Deno.serve({ port: Number(Deno.env.get('PORT') ?? 8000) }, handler)

gracefulShutdown(server, handler, { timeoutMs: 8000 })
