import { createServer } from 'node:http'
import { createRequestListener } from '@react-router/node'
// @ts-expect-error: there is no declaration of what was built
import * as build from './build/server/index.js'

const server = createServer(createRequestListener({ build }))
server.listen(Number(process.env['PORT']), '127.0.0.1', () => {
  const address = server.address()
  console.log(`http://127.0.0.1:${typeof address === 'object' && address?.port}`)
})
