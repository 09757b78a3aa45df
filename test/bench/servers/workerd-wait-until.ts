import { type HandList, inOrder, into } from './_by-hand.ts'
import { work } from './_work.ts'
import { worker } from './_worker.ts'

export default worker((request, _env, context) => {
  const list: HandList = []
  const answer = work(request.url, into(list))
  if (list.length > 0) context.waitUntil(inOrder(list))
  return Response.json(answer)
})
