import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest'
import { cloudflare } from '../../adapters/queues/cloudflare.ts'
import { workers } from '../../adapters/schedules/workers.ts'
import { defineTask } from '../../src/index.ts'
import { type StartedWorker, startWorker } from '../queues/_cloudflare.ts'

const AT = new Date('2026-11-24T03:00:00.000Z')

describe('in workerd', () => {
  let worker: StartedWorker

  beforeAll(async () => {
    worker = await startWorker('../schedules/_workers-app.ts', { TASKS: 'tasks' }, ['tasks'])
  })
  beforeEach(async () => {
    await worker.json('/')
  })
  afterAll(() => worker[Symbol.asyncDispose]())

  /** Ticks; gives how that ended, and what the Worker logged by then. */
  async function tick(cron: string): Promise<{ outcome: string; log: string[] }> {
    const { outcome } = await (await worker.miniflare.getWorker()).scheduled({ cron, scheduledTime: AT })
    return { outcome, log: await worker.json('/') }
  }

  it('runs the tasks that are due, and no others, before the event is over', async () => {
    const { outcome, log } = await tick('0 3 * * *')
    expect(outcome).toBe('ok')
    expect(log.filter((line) => line.startsWith('ran')).sort()).toEqual([
      'ran report daily (report 2026-11-24T03:00:00.000Z, attempt 1)',
      'ran report daily too (second 2026-11-24T03:00:00.000Z, attempt 1)',
    ])
    expect(log.at(-1)).toBe('handled')
  })

  it('holds the invocation open where its caller does not wait', async () => {
    const { outcome, log } = await tick('*/5 * * * MON-FRI')
    expect(outcome).toBe('ok')
    expect(log).toEqual([
      'added report',
      'handled',
      'started report',
      'ran report often (often 2026-11-24T03:00:00.000Z, attempt 1)',
      'succeeded report',
    ])
  })

  it('takes an expression that is written otherwise for the same', async () => {
    const { log } = await tick('*/5  * * * mon-fri')
    expect(log).toContain('succeeded report')
  })

  it('tries a task again, within the same event', async () => {
    const { log } = await tick('1 * * * *')
    const id = 'flaky 2026-11-24T03:00:00.000Z'
    expect(log).toEqual([
      'added flaky',
      'started flaky',
      `ran flaky x (${id}, attempt 1)`,
      'retrying flaky',
      'started flaky',
      `ran flaky x (${id}, attempt 2)`,
      'succeeded flaky',
      'handled',
    ])
  })

  it('reports a task that fails once, and the event is over all the same', async () => {
    const { outcome, log } = await tick('2 * * * *')
    expect(outcome).toBe('ok')
    expect(log.slice(3)).toEqual(['failed failing', 'onError failing Error: out of paper', 'handled'])
  })

  it('fails an event that no schedule names', async () => {
    const { outcome, log } = await tick('3 * * * *')
    expect(outcome).toBe('exception')
    expect(log).toEqual([])
  })

  it('enqueues what is due, where there is a queue, and the consumer runs it', async () => {
    const { outcome, log } = await tick('59 23 LW * *')
    expect(outcome).toBe('ok')
    expect(log).toEqual(['added report', 'handled'])
    const ran: string[] = []
    await expect
      .poll(async () => ran.push(...(await worker.json('/'))) && ran, { timeout: 15_000 })
      .toEqual(['started report', 'ran report queued (report 2026-11-24T03:00:00.000Z, attempt 1)', 'succeeded report'])
  })
})

const task = defineTask({ name: 'report', run: (_to: string) => {} })

describe('what it is given', () => {
  const refused = (schedule: object): (() => unknown) => {
    return () => workers([{ task, input: 'ada', cron: '0 3 * * *', ...schedule }])
  }

  test('is UTC only, in five fields, with days of the week by name', () => {
    expect(refused({ timezone: 'Europe/Vienna' })).toThrow(
      `Cannot create the schedules as 'schedules[0].timezone' must be 'UTC', which is all that Cloudflare has: current value is "Europe/Vienna"`,
    )
    expect(refused({ timezone: 'UTC' })).not.toThrow()
    expect(refused({ cron: '0 0 3 * * *' })).toThrow("'schedules[0].cron' must be a cron expression of five fields")
    expect(refused({ cron: '0 3 * * 1' })).toThrow('days of the week by name')
    expect(refused({ cron: '' })).toThrow(TypeError)
  })

  test('is checked at once: tasks, inputs, options', () => {
    expect(() => workers([])).toThrow(TypeError)
    expect(refused({ task: () => {} })).toThrow('a task made by defineTask')
    expect(() => workers([{ task, input: 'ada', cron: '0 3 * * *' }], { onError: 1 as never })).toThrow("'onError'")
    const queue = cloudflare({ queue: { send: async () => {}, sendBatch: async () => {} } })
    expect(() => workers([{ task, input: 'x'.repeat(200_000), cron: '0 3 * * *' }], { queue })).toThrow(
      expect.objectContaining({ name: 'TaskInputError' }),
    )
  })
})

test('an event that no schedule names is refused by an error that says which there are', async () => {
  const scheduled = workers([
    { task, input: 'ada', cron: '0 3 * * *' },
    { task, input: 'bob', cron: '0 3 * * *', key: 'bob' },
    { task, input: 'eve', cron: '0 4 * * MON', key: 'eve' },
  ])
  await expect(scheduled({ cron: '0 5 * * *', scheduledTime: AT.getTime() })).rejects.toThrow(
    "Cannot run what is due at '0 5 * * *' as there are only schedules for '0 3 * * *', '0 4 * * MON':",
  )
})

test('what the queue does not take is reported', async () => {
  const cause = new Error('down')
  const queue = cloudflare({ queue: { send: async () => {}, sendBatch: () => Promise.reject(cause) } })
  const errors: unknown[] = []
  const scheduled = workers([{ task, input: 'ada', cron: '0 3 * * *' }], {
    queue,
    onError: (error) => void errors.push(error),
  })
  await scheduled({ cron: '0 3 * * *', scheduledTime: AT.getTime() })
  expect(errors).toEqual([expect.objectContaining({ name: 'QueueError', cause })])
})
