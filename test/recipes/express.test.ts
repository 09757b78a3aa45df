import { testRecipe } from './_suite.ts'

testRecipe('Express', {
  packages: ['express', '@types/express'],
  start: `
    import { gracefulShutdown } from 'background-tasks/node'
    import { app, tasksFor } from './app.ts'

    const server = app.listen(0, () => {
      const address = server.address()
      console.log('http://localhost:' + (typeof address === 'object' && address?.port))
    })
    gracefulShutdown(server, tasksFor)
  `,
})
