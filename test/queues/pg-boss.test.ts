import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { defineTask } from 'background-tasks'
import { type PgBossOptions, pgBoss } from 'background-tasks/queues/pg-boss'
import { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeQueue, eventually } from '../conformance/queue.ts'
import { connect, startEnqueuer } from './_pg.ts'
import { type Server, startPostgres } from './_servers.ts'
import { startWorker } from './_worker.ts'

let server: Server
beforeAll(async () => {
  server = await startPostgres()
}, 60_000)
afterAll(() => server[Symbol.asyncDispose]())

describeQueue({ kind: 'postgres', url: () => server.url, server: () => server, lacks: {} })

let names = 0
const fresh = (what: string): string => `${what} pg ${names++}`

/** A task that keeps what it ran. */
function recording(name: string) {
  const ran: number[] = []
  return { task: defineTask({ name, run: (input: number) => void ran.push(input) }), ran }
}

describe('pgBoss', () => {
  it.each<[string, object]>([
    ['none of them', {}],
    ['two of them', { url: 'postgres://localhost/app', directory: './tasks' }],
    ['three of them', { url: 'postgres://localhost/app', directory: './tasks', boss: new PgBoss('postgres://x/y') }],
  ])('refuses %s of url, directory and boss', (_what, options) => {
    expect(() => pgBoss(options as PgBossOptions)).toThrow(
      new TypeError(
        "Cannot create the pg-boss queue as 'options' must be an object with exactly one of 'url', 'directory' and " +
          "'boss': current value is [object Array]",
      ),
    )
  })

  it.each([
    ['url', ''],
    ['directory', 5],
    ['boss', {}],
    ['schema', 'a b'],
    ['leaseMs', 9999],
  ])('refuses a wrong %s by its name', (name, value) => {
    const options = { ...(name !== 'boss' && { url: 'postgres://localhost/app' }), [name]: value }
    expect(() => pgBoss(options as PgBossOptions)).toThrow(`as '${name}' must be`)
  })

  it('says what to install where a package is missing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pg-boss-missing-'))
    try {
      cpSync(fileURLToPath(new URL('../../dist', import.meta.url)), folder, { recursive: true })
      const program = `
        import { pgBoss } from './adapters/queues/pg-boss.js'
        await pgBoss({ url: 'postgres://localhost/app' }).ready().catch((error) => console.log(String(error)))`
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
        cwd: folder,
      })
      expect(stdout).toBe(
        "QueueError: Cannot open the queue as the package 'pg-boss' is not there: npm install pg-boss\n",
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('has a queue of pg-boss for each task, whose name any string can be', async () => {
    await using queue = pgBoss({ url: server.url })
    await using connection = await connect(server.url)
    const tasks = ['mail:send', 'mail/003asend', 'mail send', "o'neill; --", 'grüße😀\ud800', '..', '/'].map(recording)
    await using _worker = await queue.work(tasks.map(({ task }) => task))
    await queue.enqueueAll(tasks.map(({ task }, input) => ({ task, input })))
    await eventually(() => tasks.every(({ ran }) => ran.length > 0), 'all of them')
    expect(tasks.map(({ ran }) => ran)).toEqual(tasks.map((_, input) => [input]))
    const rows = await connection.sql("select name from pgboss.queue where name like 'mail%' and name not like '%pg%'")
    expect(rows.map(({ name }) => name).sort()).toEqual(['mail/002f003asend', 'mail/0020send', 'mail/003asend'].sort())
  })

  it('keeps what it knows as pg-boss does, so that its tools show it', async () => {
    await using queue = pgBoss({ url: server.url })
    await using connection = await connect(server.url)
    const name = fresh('shown').replaceAll(' ', '-')
    const task = defineTask({
      name,
      run: (input: string) => {
        if (input === 'bad') throw new Error('out of paper')
      },
    })
    await using _worker = await queue.work([task], { onError: () => {} })
    await queue.enqueueAll(['good', 'bad'].map((input) => ({ task, input, options: { id: input } })))
    await eventually(async () => (await queue.get(task, 'bad'))?.state === 'failed', 'the end')
    await eventually(async () => (await queue.get(task, 'good'))?.state === 'succeeded', 'the end')
    const rows = await connection.sql('select id, state, retry_count from pgboss.job where name = $1', [name])
    expect(rows.map(({ state, retry_count }) => [state, retry_count]).sort()).toEqual([
      ['completed', 0],
      ['failed', 0],
    ])
    for (const { id } of rows)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it('fails a job that somebody else has put into its queue, once', async () => {
    await using queue = pgBoss({ url: server.url })
    const { task, ran } = recording(fresh('foreign').replaceAll(' ', '-'))
    const errors: unknown[] = []
    await using _worker = await queue.work([task], { onError: (error) => errors.push(error) })
    const boss = new PgBoss({ connectionString: server.url, supervise: false, schedule: false })
    boss.on('error', () => {})
    await boss.start()
    await boss.send(task.name, { hello: 'world' })
    await boss.send(task.name, null)
    await boss.stop()
    await eventually(() => errors.length === 2, 'the failures')
    await queue.enqueue(task, 1)
    await eventually(() => ran.length === 1, 'the next')
    expect(errors.map(String)).toEqual(Array(2).fill(expect.stringContaining('made by this package')))
  })

  it('works in a schema of its own', async () => {
    await using queue = pgBoss({ url: server.url, schema: 'Other_Tasks' })
    await using connection = await connect(server.url)
    const { task, ran } = recording(fresh('schema'))
    await using _worker = await queue.work([task])
    await queue.enqueue(task, 1)
    await eventually(() => ran.length === 1, 'the task')
    expect(await connection.sql('select count(*)::int from other_tasks.job')).toEqual([{ count: expect.any(Number) }])
  })

  it('installs pg-boss once where several processes find an empty database', async () => {
    await using connection = await connect(server.url)
    await connection.sql('create database several')
    const url = server.url.replace(/postgres$/, 'several')
    const queues = [1, 2, 3, 4].map(() => pgBoss({ url }))
    try {
      await Promise.all(queues.map((queue) => queue.ready()))
    } finally {
      await Promise.all(queues.map((queue) => queue.close()))
    }
  })

  it('wakes a worker in another process at once, which would look by itself but once a second', async () => {
    const name = fresh('woken')
    await using worker = await startWorker({ kind: 'postgres', url: server.url, task: name, concurrency: 1 })
    await using queue = pgBoss({ url: server.url })
    const task = defineTask<{ n: number; ms: number }>({ name, run: () => {} })
    const waits: number[] = []
    for (let n = 0; n < 9; n++) {
      const sent = Date.now()
      await queue.enqueue(task, { n, ms: 0 })
      await eventually(() => worker.numbers('done').includes(n), 'the task')
      waits.push((worker.runs('start').at(-1)?.at as number) - sent)
    }
    expect(waits.sort((a, b) => a - b)[4]).toBeLessThan(250)
  })

  it('leaves schedules and maintenance to processes that work', async () => {
    const schema = 'light'
    await using queue = pgBoss({ url: server.url, schema })
    await using connection = await connect(server.url)
    const { task } = recording(fresh('light'))
    await queue.enqueue(task, 1)
    const passes = async () => {
      const [version] = await connection.sql(`select cron_on from ${schema}.version`)
      const [row] = await connection.sql(`select monitor_claim_on from ${schema}.queue where name like 'light%'`)
      return { schedules: version.cron_on !== null, maintenance: row.monitor_claim_on !== null }
    }
    await sleep(2500)
    expect(await passes()).toEqual({ schedules: false, maintenance: false })
    await using _worker = await queue.work([task])
    await eventually(async () => (await passes()).schedules, 'a look at the schedules')
  })
})

describe('transactions', () => {
  it('enqueues tasks of several kinds together, or none of them', async () => {
    await using queue = pgBoss({ url: server.url })
    await using connection = await connect(server.url)
    const [good, bad] = [recording(fresh('good')), recording(fresh('bad'))]
    await queue.enqueueAll([good, bad].map(({ task }) => ({ task, input: 1 })))
    await connection.sql(`
      create function refuse() returns trigger language plpgsql as $$ begin raise 'out of order'; end $$;
      create trigger refuse before insert on pgboss.job_common for each row
        when (new.name like 'bad%') execute function refuse()`)
    try {
      const refused = queue.enqueueAll([good, bad, good].map(({ task }) => ({ task, input: 2 })))
      await expect(refused).rejects.toMatchObject({
        name: 'QueueError',
        message: expect.stringContaining('out of order'),
      })
    } finally {
      await connection.sql('drop trigger refuse on pgboss.job_common')
    }
    await using _worker = await queue.work([good.task, bad.task])
    await queue.enqueueAll([good, bad].map(({ task }) => ({ task, input: 3 })))
    await eventually(() => good.ran.length + bad.ran.length >= 4, 'the others')
    expect([good.ran.sort(), bad.ran.sort()]).toEqual([
      [1, 3],
      [1, 3],
    ])
  })

  it("enqueues in the caller's own: not before it is committed, and not where it is rolled back", async () => {
    await using queue = pgBoss({ url: server.url })
    await using transaction = await connect(server.url)
    const { task, ran } = recording(fresh('order'))
    await using _worker = await queue.work([task])
    await transaction.sql('begin; create table orders (id int); insert into orders values (1)')
    const { id } = await queue.enqueue(task, 1, { transaction })
    expect(await queue.get(task, id)).toBeUndefined()
    await transaction.sql('commit')
    await eventually(() => ran.length === 1, 'the task')
    await transaction.sql('begin; insert into orders values (2)')
    const rolledBack = await queue.enqueue(task, 2, { transaction })
    await transaction.sql('rollback')
    expect(await queue.get(task, rolledBack.id)).toBeUndefined()
    await queue.enqueue(task, 3)
    await eventually(() => ran.length === 2, 'the last')
    expect(ran).toEqual([1, 3])
    expect(await transaction.sql('select id from orders')).toEqual([{ id: 1 }])
  })

  it.each([
    ['before its commit', 'lock table pgboss.job_common in share mode'],
    ['in its commit, which then comes too late', 'select from pgboss.queue for update'],
  ])('enqueues nothing later where the server was kept waiting %s', async (what, lock) => {
    await using queue = pgBoss({ url: server.url, timeoutMs: 1000 })
    await using connection = await connect(server.url)
    const { task } = recording(fresh('slow'))
    await queue.enqueue(task, 1)
    await connection.sql(`begin; ${lock}`)
    const started = performance.now()
    await expect(queue.enqueue(task, 2, { id: what })).rejects.toMatchObject({ name: 'QueueError' })
    expect(performance.now() - started).toBeLessThan(2000)
    await connection.sql('commit')
    await eventually(async () => {
      const [{ count }] = await connection.sql(`
        select count(*)::int from pg_stat_activity
        where state <> 'idle' and pid <> pg_backend_pid() and datname = current_database()`)
      return count === 0
    }, 'the server to do what it still has to')
    expect(await queue.get(task, what)).toBeUndefined()
    await queue.enqueue(task, 3, { id: 'next' })
    expect(await queue.get(task, 'next')).toMatchObject({ state: 'queued' })
  })
})

describe('a PgBoss of the user', () => {
  it('is used as it is, and neither started nor stopped', async () => {
    const boss = new PgBoss({
      connectionString: server.url,
      schema: 'own',
      monitorIntervalSeconds: 1,
      superviseIntervalSeconds: 1,
    })
    boss.on('error', () => {})
    await boss.start()
    try {
      const queue = pgBoss({ boss })
      expect(queue.lacks).toEqual({})
      const [one, two] = [recording(fresh('one')), recording(fresh('two'))]
      const worker = await queue.work([one.task, two.task])
      await queue.enqueueAll([one, two].map(({ task }, input) => ({ task, input })))
      await eventually(() => one.ran.length + two.ran.length === 2, 'both')
      await using transaction = await connect(server.url)
      await transaction.sql('begin')
      await queue.enqueue(one.task, 5, { transaction })
      await transaction.sql('commit')
      await eventually(() => one.ran.length === 2, 'the third')
      await worker.close()
      await queue.close()
      expect(await boss.getQueues()).not.toEqual([])
    } finally {
      await boss.stop()
    }
  })
})

describe.concurrent('leases', () => {
  const task = (name: string) => defineTask<{ n: number; ms: number }>({ name, run: ({ ms }) => sleep(ms) })

  it('does not run a task again that takes longer than a lease', async () => {
    const name = fresh('long')
    const plan = { kind: 'postgres', url: server.url, task: name, concurrency: 2 } as const
    await using one = await startWorker(plan)
    await using two = await startWorker(plan)
    await using queue = pgBoss({ url: server.url })
    await queue.enqueue(task(name), { n: 1, ms: 16_000 })
    const starts = () => [...one.runs('start'), ...two.runs('start')]
    await eventually(() => one.runs('done').length + two.runs('done').length === 1, 'its end', 30_000)
    expect(starts().map(({ attempt }) => attempt)).toEqual([1])
  }, 60_000)

  it('does not run a task again that goes on while the server is away for longer than a lease', async () => {
    await using server = await startPostgres()
    const name = fresh('through')
    await using queue = pgBoss({ url: server.url })
    const events: string[] = []
    await using _worker = await queue.work([task(name)], { observer: ({ type }) => events.push(type) })
    const { id } = await queue.enqueue(task(name), { n: 1, ms: 19_000 })
    await eventually(() => events.length > 0, 'its start')
    await using other = await startWorker({ kind: 'postgres', url: server.url, task: name, concurrency: 2 })
    await server.kill()
    await sleep(10_500)
    const starting = server.start()
    // The other worker is there again first: this one cannot even say that it lives.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5000)
    await starting
    await eventually(async () => (await queue.get(task(name), id))?.state === 'succeeded', 'its end', 40_000)
    expect(await queue.get(task(name), id)).toMatchObject({ attempts: 1 })
    expect(other.runs('start')).toEqual([])
  }, 90_000)
})

describe('outages of PostgreSQL', () => {
  it('tells how a task ended when the server is back, instead of running it again', async () => {
    const { task, ran } = recording(fresh('told'))
    const gate = Promise.withResolvers<void>()
    const waiting = defineTask({ name: fresh('told late'), run: () => gate.promise })
    const events: string[] = []
    await using queue = pgBoss({ url: server.url })
    await using _worker = await queue.work([waiting, task], { observer: ({ type }) => events.push(type) })
    const { id } = await queue.enqueue(waiting, undefined)
    await eventually(() => events.includes('started'), 'the task')
    await server.kill()
    gate.resolve()
    await sleep(1000)
    expect(events).toEqual(['started'])
    await server.start()
    await eventually(() => events.includes('succeeded'), 'its end', 20_000)
    expect(await queue.get(waiting, id)).toMatchObject({ state: 'succeeded', attempts: 1 })
    await queue.enqueue(task, 1)
    await eventually(() => ran.length === 1, 'another task')
    expect(events.slice(0, 2)).toEqual(['started', 'succeeded'])
  }, 60_000)

  it('can be closed while the server is frozen, and lets the process end', async () => {
    const name = fresh('closing')
    const plan = { kind: 'postgres', url: server.url, task: name, concurrency: 1 } as const
    await using enqueuer = await startEnqueuer({ ...plan, count: 1, waits: true })
    expect(enqueuer.said).toBe('enqueued')
    await using idle = await startWorker(plan)
    await eventually(() => idle.numbers('done').length === 1, 'the task')
    const busyName = fresh('closing busy')
    await using busy = await startWorker({ ...plan, task: busyName })
    await using queue = pgBoss({ url: server.url })
    await queue.enqueue(defineTask<{ n: number; ms: number }>({ name: busyName, run: () => {} }), { n: 1, ms: 1000 })
    await eventually(() => busy.numbers('start').length === 1, 'the other task')
    server.freeze()
    try {
      // All that they ask by themselves waits for an answer by then, and so does the word of how the task ended.
      await sleep(3000)
      const started = performance.now()
      expect(await enqueuer.close()).toBe(0)
      expect(performance.now() - started).toBeLessThan(6000)
      await Promise.all([idle.close(), busy.close()])
      expect(performance.now() - started).toBeLessThan(25_000)
    } finally {
      server.thaw()
    }
  }, 60_000)
})
