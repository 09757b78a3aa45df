import { createServer } from 'node:http2'
import { serve } from '@hono/node-server'
import { node } from '../../adapters/node.ts'
import { createFixture } from './_app.ts'

const options = { fetch: createFixture(node()), hostname: '127.0.0.1', port: 0 }
const listening = ({ port }: { port: number }): void => console.log(port)
if (process.argv[2] === 'http2') serve({ ...options, createServer }, listening)
else serve(options, listening)
