import { testRecipe } from './_suite.ts'

testRecipe('h3', {
  packages: ['h3'],
  start: `
    import { serve } from 'h3'
    import { app } from './app.ts'

    serve(app)
  `,
  stopped: 'Server closed successfully',
})
