import { serve } from './_srvx.ts'
import { work } from './_work.ts'

serve((request) => Response.json(work(request.url, () => {})))
