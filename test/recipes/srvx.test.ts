import { testRecipe } from './_suite.ts'

testRecipe('srvx', {
  packages: ['srvx'],
  start: `import './server.ts'`,
  stopped: 'Server closed successfully',
})
