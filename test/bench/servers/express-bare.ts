import express from 'express'
import { listen } from './_express.ts'
import { paths, work } from './_work.ts'

const app = express()
for (const path of paths) app.get(path, (req, res) => void res.json(work(req.url, () => {})))
listen(app)
