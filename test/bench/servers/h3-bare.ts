import { H3 } from 'h3'
import { serve } from './_srvx.ts'
import { paths, work } from './_work.ts'

const app = new H3()
for (const path of paths) app.get(path, (event) => work(event.req.url, () => {}))
serve(app.fetch)
