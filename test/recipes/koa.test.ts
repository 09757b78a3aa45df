import { testRecipe } from './_suite.ts'

testRecipe('Koa', {
  packages: ['koa', '@types/koa'],
  start: `
    import { gracefulShutdown } from 'background-tasks/node'
    import Koa from 'koa'
    import { countVisit, render } from './pages.ts'
    import { background, tasks } from './tasks.ts'

    const app = new Koa().use(tasks)
    app.use(async (ctx) => {
      ctx.tasks.add(countVisit, ctx.url)
      ctx.body = await render(ctx.url)
    })
    const server = app.listen(0, () => {
      const address = server.address()
      console.log('http://localhost:' + (typeof address === 'object' && address?.port))
    })
    gracefulShutdown(server, background)
  `,
})
