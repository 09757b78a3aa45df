import { work } from './_work.ts'
import { worker } from './_worker.ts'

export default worker((request) => Response.json(work(request.url, () => {})))
