import { type HandList, inOrder, into } from './_by-hand.ts'
import { serve } from './_deno.ts'
import { work } from './_work.ts'

serve((request, info) => {
  const list: HandList = []
  const answer = work(request.url, into(list))
  if (list.length > 0) info.completed.then(() => inOrder(list))
  return Response.json(answer)
})
