import { createRequire } from 'node:module'
import express, { type Response } from 'express'
import { type HandList, inOrder, into } from './_by-hand.ts'
import { listen } from './_express.ts'
import { paths, work } from './_work.ts'

// It brings no types.
const onFinished: (res: Response, listener: () => void) => void = createRequire(import.meta.url)('on-finished')

const app = express()
for (const path of paths) {
  app.get(path, (req, res) => {
    const list: HandList = []
    const answer = work(req.url, into(list))
    if (list.length > 0) onFinished(res, () => inOrder(list))
    res.json(answer)
  })
}
listen(app)
