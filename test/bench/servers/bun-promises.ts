/** The least that keeps the order and the async context of every `add`. */
import { serve } from './_bun.ts'
import { work } from './_work.ts'

serve((request) => {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  let chain = promise
  const answer = work(request.url, (task, n) => {
    chain = chain.then(() => task(n))
  })
  if (chain !== promise) setImmediate(resolve)
  return Response.json(answer)
})
