import { serve } from './_node-server.ts'
import { work } from './_work.ts'

serve((request) => Response.json(work(request.url, () => {})))
