import { workers } from '../../adapters/workers.ts'
import { createFixture } from './_app.ts'

export default { fetch: createFixture(workers()) }
