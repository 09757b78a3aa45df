import { bun } from '../../adapters/bun.ts'
import { createFixture } from './_app.ts'

// Bun reports what a handler threw to standard error, where the suite allows nothing, unless it is answered here.
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: createFixture(bun()),
  error: () => new Response('caught', { status: 500 }),
})
console.log(server.port)
