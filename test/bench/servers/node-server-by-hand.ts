import { type HandList, inOrder, into } from './_by-hand.ts'
import { serve } from './_node-server.ts'
import { work } from './_work.ts'

serve((request, { outgoing }) => {
  const list: HandList = []
  const answer = work(request.url, into(list))
  const [first] = list
  if (first && list.length === 1) outgoing.once('close', first)
  else if (first) outgoing.once('close', () => inOrder(list))
  return Response.json(answer)
})
