import { serve } from './_bun.ts'
import { work } from './_work.ts'

serve((request) => Response.json(work(request.url, () => {})))
