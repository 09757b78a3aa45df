import { serve } from './_deno.ts'
import { work } from './_work.ts'

serve((request) => Response.json(work(request.url, () => {})))
