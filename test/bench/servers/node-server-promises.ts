/** The least that keeps the order and the async context of every `add`, and hops after `close`. */
import { serve } from './_node-server.ts'
import { work } from './_work.ts'

serve((request, { outgoing }) => {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  let chain = promise
  const answer = work(request.url, (task, n) => {
    chain = chain.then(() => task(n))
  })
  if (chain !== promise) outgoing.once('close', () => setImmediate(resolve))
  return Response.json(answer)
})
