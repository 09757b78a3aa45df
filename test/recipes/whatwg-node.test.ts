import { testRecipe } from './_suite.ts'

testRecipe('@whatwg-node/server', {
  packages: ['@whatwg-node/server'],
  start: `
    import { createServer } from 'node:http'
    import { adapter } from './adapter.ts'

    const server = createServer(adapter).listen(0, () => {
      const address = server.address()
      console.log('http://localhost:' + (typeof address === 'object' && address?.port))
    })
    process.once('SIGTERM', async () => {
      server.close()
      await adapter.dispose()
      console.log('disposed')
    })
  `,
  stopped: 'disposed',
})
