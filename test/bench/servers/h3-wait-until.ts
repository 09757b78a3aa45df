import { H3 } from 'h3'
import { type HandList, inOrder, into } from './_by-hand.ts'
import { serve } from './_srvx.ts'
import { paths, work } from './_work.ts'

const app = new H3()
for (const path of paths) {
  app.get(path, (event) => {
    const list: HandList = []
    const answer = work(event.req.url, into(list))
    if (list.length > 0) event.waitUntil(inOrder(list))
    return answer
  })
}
serve(app.fetch)
