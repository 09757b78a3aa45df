import { deno } from '../../adapters/deno.ts'
import { createFixture } from './_app.ts'

// Deno prints what a handler threw to standard error, where the suite allows nothing, unless it is answered here.
Deno.serve(
  {
    hostname: '127.0.0.1',
    port: 0,
    onListen: ({ port }) => console.log(port),
    onError: () => new Response('caught', { status: 500 }),
  },
  createFixture(deno()),
)
