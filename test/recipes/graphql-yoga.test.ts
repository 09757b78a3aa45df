import { testRecipe } from './_suite.ts'

testRecipe('GraphQL Yoga', {
  packages: ['graphql', 'graphql-yoga'],
  start: `
    import { createServer } from 'node:http'
    import type { OpenList } from 'background-tasks'
    import { createSchema, createYoga } from 'graphql-yoga'
    import { countVisit, render } from './pages.ts'
    import { tasks } from './tasks.ts'

    const schema = createSchema<OpenList>({
      typeDefs: 'type Query { page(url: String!): String! }',
      resolvers: {
        Query: {
          page(_root, { url }: { url: string }, context) {
            context.tasks.add(countVisit, url)
            return render(url)
          },
        },
      },
    })
    const yoga = createYoga({ schema, plugins: [tasks] })
    const server = createServer(yoga).listen(0, () => {
      const address = server.address()
      console.log('http://localhost:' + (typeof address === 'object' && address?.port))
    })
    process.once('SIGTERM', async () => {
      server.close()
      await yoga.dispose()
      console.log('disposed')
    })
  `,
  path: (page) => `/graphql?query=${encodeURIComponent(`{ page(url: "/${page}") }`)}`,
  failure: 200,
  stopped: 'disposed',
})
