import { type HandList, inOrder, into } from './_by-hand.ts'
import { serve } from './_srvx.ts'
import { work } from './_work.ts'

serve((request) => {
  const list: HandList = []
  const answer = work(request.url, into(list))
  if (list.length > 0) request.waitUntil?.(inOrder(list))
  return Response.json(answer)
})
