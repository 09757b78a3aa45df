/**
 * A login is answered when the session is stored; the audit log is written and expired sessions are deleted afterwards. What
 * failed in the background is in the database too. It is PGlite, PostgreSQL inside the process: nothing to set up.
 *
 *     npm install && npm start
 *     curl localhost:3000/login --json '{"user":"ada"}'
 *     curl localhost:3000/audit
 *     curl localhost:3000/login --json '{"user":""}'
 */
import { PGlite } from '@electric-sql/pglite'
import { serve } from '@hono/node-server'
import type { Drainable } from 'background-tasks'
import { backgroundTasks } from 'background-tasks/hono'
import { gracefulShutdown } from 'background-tasks/node'
import { Hono } from 'hono'

const { PORT = '3000', DATABASE = './data', SESSION_SECONDS = '3600' } = process.env

const database = await PGlite.create(DATABASE)
await database.exec(`
  create table if not exists sessions (
    token uuid primary key default gen_random_uuid(),
    username text not null check (username <> ''),
    expires_at timestamptz not null
  );
  create table if not exists audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    username text not null,
    user_agent varchar(200) not null
  );
  create table if not exists failed_tasks (
    id text primary key,
    at timestamptz not null default now(),
    task text not null,
    error text not null
  );
`)

const background = backgroundTasks({
  // A drain does not wait for it; but PGlite does one thing after the other, and is closed after this.
  onError: async (error, { id, name }) => {
    console.error(`${name} failed:`, error)
    await database.query('insert into failed_tasks (id, task, error) values ($1, $2, $3)', [id, name, String(error)])
  },
})
const app = new Hono().use(background)

app.post('/login', async (c) => {
  const { user } = await c.req.json<{ user: string }>()
  // Where the session cannot be stored, neither of them runs.
  c.var.tasks.add(writeAuditLog, user, c.req.header('user-agent') ?? '')
  c.var.tasks.add(deleteExpiredSessions)
  const { rows } = await database.query<{ token: string }>(
    `insert into sessions (username, expires_at) values ($1, now() + $2 * interval '1 second') returning token`,
    [user, Number(SESSION_SECONDS)],
  )
  return c.json(rows[0], 201)
})

app.get('/audit', async (c) => {
  const [log, failures, sessions] = await Promise.all([
    database.query('select username, user_agent from audit_log order by id'),
    database.query('select task, error from failed_tasks order by at'),
    database.query('select username from sessions order by expires_at'),
  ])
  return c.json({ log: log.rows, failures: failures.rows, sessions: sessions.rows })
})

/** With a pool it takes a connection of its own here: the one of the request has been given back, its transaction is over. */
async function writeAuditLog(username: string, userAgent: string): Promise<void> {
  await database.query('insert into audit_log (username, user_agent) values ($1, $2)', [username, userAgent])
  console.log(`wrote to the audit log that ${username} has logged in`)
}

async function deleteExpiredSessions(): Promise<void> {
  const { affectedRows } = await database.query('delete from sessions where expires_at < now()')
  console.log(`deleted ${affectedRows} expired sessions`)
}

const server = serve({ fetch: app.fetch, port: Number(PORT) }, ({ port }) => console.log(`http://localhost:${port}`))

const tasksThenDatabase: Drainable = {
  async drain(options) {
    const report = await background.drain(options)
    await database.close()
    return report
  },
}
gracefulShutdown(server, tasksThenDatabase, { timeoutMs: 8000 })
