/**
 * Closing an account: the person is answered at once; files are cleaned up and the audit log is written afterwards.
 *
 *     bun install && bun start
 *     curl -X DELETE localhost:3000/accounts/7
 *     curl localhost:3000/audit
 */
import { Database } from 'bun:sqlite'
import { withBackgroundTasks } from 'background-tasks'
import { gracefulShutdown } from 'background-tasks/bun'

const database = new Database(process.env.DATABASE ?? ':memory:')
database.run('CREATE TABLE IF NOT EXISTS audit (at TEXT, entry TEXT)')

const handler = withBackgroundTasks((request: Request, tasks) => {
  const [, section, id] = new URL(request.url).pathname.split('/')
  if (request.method === 'GET' && section === 'audit') {
    return Response.json(database.query('SELECT at, entry FROM audit').all())
  }
  if (request.method === 'DELETE' && section === 'accounts' && id) {
    tasks.add(deleteFiles, id)
    tasks.add(writeAuditLog, `account ${id} was closed`)
    return new Response(null, { status: 202 })
  }
  return new Response(null, { status: 404 })
})

async function deleteFiles(account: string): Promise<void> {
  await Bun.sleep(300) // Here your object storage is called.
  console.log(`deleted the files of account ${account}`)
}

function writeAuditLog(entry: string): void {
  database.run('INSERT INTO audit VALUES (?, ?)', [new Date().toISOString(), entry])
}

const server = Bun.serve({ port: Number(process.env.PORT ?? 3000), fetch: handler })
console.log(`http://localhost:${server.port}`)

gracefulShutdown(server, handler, { timeoutMs: 8000 })
