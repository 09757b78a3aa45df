import { serve } from './_bun.ts'
import { type HandList, inOrder, into } from './_by-hand.ts'
import { work } from './_work.ts'

serve((request) => {
  const list: HandList = []
  const answer = work(request.url, into(list))
  const [first] = list
  if (first && list.length === 1) setImmediate(first)
  else if (first) setImmediate(inOrder, list)
  return Response.json(answer)
})
