import { app } from './app.ts'

const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: app.fetch })
console.log(`http://127.0.0.1:${server.port}`)
