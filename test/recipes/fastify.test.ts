import { testRecipe } from './_suite.ts'

testRecipe('Fastify', {
  packages: ['fastify'],
  start: `
    import { app, tasksFor } from './app.ts'

    app.addHook('onClose', () => tasksFor.drain())
    console.log(await app.listen({ port: 0 }))
    process.once('SIGTERM', async () => {
      await app.close()
      console.log('closed the app')
    })
  `,
  stopped: 'closed the app',
})
