/**
 * Sends requests to one Hono app on Node, Workers, Deno or Bun, and shows when each response was complete and when its
 * tasks ran: `npm run demo`, `npm run demo -- workers`. Exits with code 1 where a task came before its response.
 *
 * @module
 */
import type { Report } from './demo/app.ts'
import { draw, legend, paint } from './demo/draw.ts'
import { createClient, responseFirst, type Trip } from './demo/send.ts'
import { runtimes } from './demo/start.ts'

const name = process.argv[2] ?? 'node'
const start = runtimes[name]
if (!start) {
  console.error(`Cannot run the demo on '${name}': give one of ${Object.keys(runtimes).join(', ')}`)
  process.exit(1)
}

let hear: (report: Report) => void = () => {}
const server = await start((report) => hear(report))
const client = createClient(server.url)
hear = client.hear
const trips: Trip[] = []

async function show(...request: Parameters<typeof client.send>): Promise<void> {
  const trip = await client.send(...request)
  trips.push(trip)
  console.log(`\n${draw(trip)}`)
}

try {
  console.log(
    `One Hono app on ${paint('bold', name)}, ${server.url}. Times in milliseconds since the request was sent.`,
  )
  console.log(`\n${legend()}`)
  // The first request of a server pays for its compilation.
  await client.send('GET', '/', 0, '')
  await show('POST', '/signup', 2, 'two tasks, in the order of adding')
  await show('POST', '/orders', 2, 'the first task fails, the second runs all the same')
  await show('GET', '/export', 1, 'a streaming response: the task comes after the last byte')
  await show('POST', '/photos', 2, 'a task that needs the CPU cannot delay its response')
  await show('DELETE', '/articles/7', 3, 'a task adds two more')
} finally {
  client.close()
  await server.stop()
}

const early = trips.filter((trip) => !responseFirst(trip))
const tasks = trips.flatMap((trip) => trip.tasks)
const failed = tasks.filter(({ end }) => end === 'failed')
console.log(`\n${tasks.length} tasks ended, ${failed.length} of them failed as it was meant to.`)
if (early.length === 0) {
  console.log(
    paint('green', `✓ ${trips.length} of ${trips.length} responses had left before their first task started.`),
  )
} else {
  console.log(
    paint(
      'red',
      `✗ A task started before its response had left: ${early.map(({ method, path }) => `${method} ${path}`).join(', ')}`,
    ),
  )
  process.exitCode = 1
}
