import { afterEach, describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { memory } from '../../adapters/queues/memory.ts'
import {
  type CronerOptions,
  croner,
  type RunningSchedules,
  type Schedule,
  type Schedules,
} from '../../adapters/schedules/croner.ts'
import { defineTask, QueueError, type Task, type TaskEvent, TaskInputError, type TaskQueue } from '../../src/index.ts'
import { takePrinted } from '../_printed.ts'
import { deferred, turn } from '../_wrapped.ts'
import { Program } from './_process.ts'

const EACH_SECOND = '* * * * * *'
/** Of a second, so that a whole one brings one tick. */
const MIDDLE = '2026-11-24T12:00:00.500Z'
const greet = defineTask({ name: 'greet', run: (_to: string) => {} })
const plain = defineTask({ name: 'plain', run: () => {} })

interface Started {
  readonly schedules: RunningSchedules
  readonly events: TaskEvent[]
  /** The events without `added`, as `type id: reason`. */
  readonly log: () => string[]
  /** For what times tasks were added. */
  readonly ticks: () => string[]
}

/** Schedules that are closed at the end of the test, and what their observer saw. */
function started<const T extends readonly Task[]>(list: Schedules<T>, options: CronerOptions = {}): Started {
  const events: TaskEvent[] = []
  const schedules = croner(list, { observer: (event) => void events.push(event), ...options })
  onTestFinished(() => void schedules.close({ timeoutMs: 0 }))
  return {
    schedules,
    events,
    log: () =>
      events
        .filter(({ type }) => type !== 'added')
        .map(({ type, task, reason }) => `${type} ${task.id}${reason ? `: ${reason}` : ''}`),
    ticks: () => events.filter(({ type }) => type === 'added').map(({ task }) => task.id.split(' ').at(-1) as string),
  }
}

const ended = ({ events }: Started): number =>
  events.filter(({ type }) => ['succeeded', 'failed', 'discarded', 'abandoned'].includes(type)).length

/** A clock that only the test moves. What runs tasks has taken its timers before, and goes on. */
function clockAt(time: string): void {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'], now: new Date(time) })
}

/** Lets so many seconds go by on that clock. */
async function pass(seconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(seconds * 1000)
}

/** Waits until `holds` does, by no timer, as those may stand still; fails with `what` after 10 s. */
async function until(holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > end) throw new Error(`still waiting after 10 s: ${what}`)
    await turn()
  }
}

afterEach(() => {
  vi.useRealTimers()
})

describe('at each tick', () => {
  test('the task runs with its input, and an id that is made of key and time', async () => {
    const runs: unknown[] = []
    const note = defineTask({ name: 'note', run: (to: string, { id, attempt }) => void runs.push([to, id, attempt]) })
    const { ticks } = started([{ task: note, cron: EACH_SECOND, input: 'ada' }])
    await until(() => runs.length === 2, 'two runs')
    const [first, second] = ticks() as [string, string]
    expect(first).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/)
    expect(Date.parse(second) - Date.parse(first)).toBe(1000)
    expect(runs).toEqual([
      ['ada', `note ${first}`, 1],
      ['ada', `note ${second}`, 1],
    ])
  })

  test('two schedules of one task are told apart by their keys', async () => {
    clockAt(MIDDLE)
    const run = started([
      { task: greet, cron: EACH_SECOND, input: 'ada', key: 'of ada' },
      { task: greet, cron: EACH_SECOND, input: 'bob' },
    ])
    await pass(1)
    await until(() => ended(run) >= 2, 'both to run')
    expect(run.log().filter((line) => /^succeeded (of ada|greet) \d/.test(line))).toHaveLength(2)
  })

  test('a task that fails is tried again, and is told to the observer and to onError', async () => {
    const failing = defineTask({
      name: 'failing',
      run: () => {
        throw new Error('out of order')
      },
    })
    const onError = vi.fn()
    clockAt(MIDDLE)
    const run = started([{ task: failing, cron: EACH_SECOND }], { onError, retry: { attempts: 2, delayMs: 1 } })
    await pass(1)
    await until(() => ended(run) > 0, 'its end')
    expect(run.events.slice(0, 5).map(({ type, attempt }) => [type, attempt])).toEqual([
      ['added', undefined],
      ['started', 1],
      ['retrying', 1],
      ['started', 2],
      ['failed', 2],
    ])
    const { id } = run.events[0]!.task
    expect(onError.mock.calls[0]).toEqual([new Error('out of order'), { id, name: 'failing', attempt: 2 }])
  })

  test('a task that fails is printed where there is no onError', async () => {
    const failing = defineTask({ name: 'failing', run: () => Promise.reject(new Error('out of order')) })
    clockAt(MIDDLE)
    const run = started([{ task: failing, cron: EACH_SECOND }])
    await pass(1)
    await until(() => ended(run) > 0, 'its end')
    await run.schedules.close()
    expect(takePrinted()[0]).toMatch(
      /^background-tasks: task 'failing' failed \(id failing \S+, attempt 1\): Error: out/,
    )
  })

  test('a task that takes longer than timeoutMs is given up', async () => {
    const hanging = defineTask({ name: 'hanging', run: () => new Promise(() => {}) })
    const onError = vi.fn()
    clockAt(MIDDLE)
    const run = started([{ task: hanging, cron: EACH_SECOND }], { onError, timeoutMs: 20 })
    await pass(1)
    await until(() => ended(run) > 0, 'its end')
    expect(onError.mock.calls[0]?.[0]).toMatchObject({ name: 'TaskTimeoutError' })
  })

  test('a rule of the task about responses is not asked, as there is none', async () => {
    const runOn = vi.fn(() => false)
    const careful = defineTask({ name: 'careful', runOn, run: () => {} })
    clockAt(MIDDLE)
    const run = started([{ task: careful, cron: EACH_SECOND }])
    await pass(1)
    await until(() => ended(run) > 0, 'its end')
    expect(run.log().at(-1)).toMatch(/^succeeded/)
    expect(runOn).not.toHaveBeenCalled()
  })

  test('an input that its schema refuses by now is a failure, and the schedule goes on', async () => {
    let isFit = true
    const schema = z.string().refine(() => isFit, 'too late')
    const strict = defineTask({ name: 'strict', input: schema, run: () => {} })
    const onError = vi.fn()
    clockAt(MIDDLE)
    const run = started([{ task: strict, cron: EACH_SECOND, input: 'ada' }], { onError })
    isFit = false
    await pass(1)
    isFit = true
    await pass(1)
    await until(() => ended(run) === 2, 'a success')
    expect(run.log()).toEqual([
      expect.stringMatching(/^failed strict /),
      expect.stringMatching(/^started strict /),
      expect.stringMatching(/^succeeded strict /),
    ])
    expect(onError.mock.calls).toEqual([[expect.any(TaskInputError), expect.objectContaining({ name: 'strict' })]])
  })
})

describe('a tick while the last run goes on', () => {
  test('is discarded with the reason, until that has ended', async () => {
    clockAt(MIDDLE)
    const gate = deferred()
    const held = defineTask({ name: 'held', run: () => gate.promise })
    const run = started([{ task: held, cron: EACH_SECOND }])
    await pass(1)
    await until(() => run.log().length === 1, 'the start')
    await pass(2)
    gate.resolve()
    await until(() => ended(run) === 3, 'the end of the first')
    await pass(1)
    await run.schedules.close()
    const why = "the run before it still goes on (overlap: 'skip')"
    expect(run.log()).toEqual([
      'started held 2026-11-24T12:00:01.000Z',
      `discarded held 2026-11-24T12:00:02.000Z: ${why}`,
      `discarded held 2026-11-24T12:00:03.000Z: ${why}`,
      'succeeded held 2026-11-24T12:00:01.000Z',
      'started held 2026-11-24T12:00:04.000Z',
      'succeeded held 2026-11-24T12:00:04.000Z',
    ])
  })

  test('is printed where there is no observer: the first of each row', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    clockAt(MIDDLE)
    const gates: (() => void)[] = []
    const held = defineTask({ name: 'held', run: () => new Promise<void>((resolve) => void gates.push(resolve)) })
    const schedules = croner([{ task: held, cron: EACH_SECOND }])
    onTestFinished(() => void schedules.close({ timeoutMs: 0 }))
    for (const runs of [1, 2]) {
      await pass(1)
      await until(() => gates.length === runs, 'the start')
      await pass(3)
      gates.at(-1)?.()
      await turn()
    }
    const said = (second: number): string =>
      `background-tasks: task 'held' was discarded (id held 2026-11-24T12:00:0${second}.000Z): the run before it still goes on (overlap: 'skip')`
    expect(warn.mock.calls).toEqual([[said(2)], [said(6)]])
  })

  test("runs beside it with overlap: 'run'", async () => {
    clockAt(MIDDLE)
    const gate = deferred()
    const beside = defineTask({ name: 'beside', run: () => gate.promise })
    const run = started([{ task: beside, cron: EACH_SECOND }], { overlap: 'run' })
    await pass(2)
    await until(() => run.log().length === 2, 'both')
    gate.resolve()
    await run.schedules.close()
    expect(run.log().map((line) => line.split(' ')[0])).toEqual(['started', 'started', 'succeeded', 'succeeded'])
  })

  test('of another schedule is none of its business', async () => {
    clockAt(MIDDLE)
    const gate = deferred()
    const held = defineTask({ name: 'held', run: () => gate.promise })
    const run = started([
      { task: held, cron: EACH_SECOND },
      { task: plain, cron: EACH_SECOND },
    ])
    await pass(1)
    await until(() => ended(run) === 1, 'the end of the other')
    await pass(1)
    gate.resolve()
    await run.schedules.close()
    expect(run.log().filter((line) => line.startsWith('succeeded plain'))).toHaveLength(2)
  })
})

describe('a missed tick', () => {
  test('is said when the event loop was blocked, and the latest runs', async () => {
    let isDone = false
    const block = defineTask({
      name: 'block',
      run: () => {
        if (isDone) return
        isDone = true
        // To the middle of a second, so that what is due then does not depend on the machine.
        const end = Math.ceil(Date.now() / 1000) * 1000 + 2500
        while (Date.now() < end);
      },
    })
    const run = started([
      { task: block, cron: EACH_SECOND },
      { task: plain, cron: EACH_SECOND },
    ])
    await until(() => run.log().some((line) => line.startsWith('discarded plain')), 'the discarded one')
    await run.schedules.close()
    const said = run.log().find((line) => line.startsWith('discarded plain'))
    const [, first = '', count, end = ''] =
      /^discarded plain (\S+): (\d) ticks? (?:was|were) missed before (\S+): the process slept/.exec(said ?? '') ?? []
    expect((Date.parse(end) - Date.parse(first)) / 1000).toBe(Number(count))
    expect(run.log().some((line) => line === `succeeded plain ${end}`)).toBe(true)
    const ran = run.log().filter((line) => line.startsWith('started plain'))
    expect(new Set(ran).size).toBe(ran.length)
  })

  test('is said when the clock was set forward, or the machine slept, and the latest runs', async () => {
    clockAt('2026-11-24T12:00:30Z')
    const run = started([{ task: plain, cron: '*/10 * * * *' }])
    vi.setSystemTime('2026-11-24T15:14:00Z')
    await vi.advanceTimersByTimeAsync(30_000)
    await run.schedules.drain()
    expect(run.ticks()).toEqual(['2026-11-24T15:10:00.000Z', '2026-11-24T12:10:00.000Z'])
    expect(run.log().sort()).toEqual([
      'discarded plain 2026-11-24T12:10:00.000Z: 18 ticks were missed before 2026-11-24T15:10:00.000Z: the process slept, its event loop was blocked, or the clock was set forward',
      'started plain 2026-11-24T15:10:00.000Z',
      'succeeded plain 2026-11-24T15:10:00.000Z',
    ])
  })

  test('is counted up to a thousand, so that a long sleep costs no time', async () => {
    clockAt(MIDDLE)
    const run = started([{ task: plain, cron: EACH_SECOND }])
    vi.setSystemTime('2027-01-24T12:00:00.500Z')
    const before = performance.now()
    await vi.advanceTimersByTimeAsync(500)
    expect(performance.now() - before).toBeLessThan(2000)
    await run.schedules.close()
    expect(run.log().find((line) => line.startsWith('discarded'))).toContain(
      ': more than 1000 ticks were missed before',
    )
  })

  test('is none when a single tick came late: it runs', async () => {
    clockAt('2026-11-24T02:59:00Z')
    const run = started([{ task: plain, cron: '0 3 * * *' }])
    vi.setSystemTime('2026-11-24T09:00:00Z')
    await vi.advanceTimersByTimeAsync(30_000)
    await run.schedules.close()
    expect(run.log()).toEqual(['started plain 2026-11-24T03:00:00.000Z', 'succeeded plain 2026-11-24T03:00:00.000Z'])
  })

  test('is printed where there is no observer', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    clockAt('2026-11-24T12:00:30Z')
    const schedules = croner([{ task: plain, cron: '0 * * * *' }])
    vi.setSystemTime('2026-11-24T14:30:00Z')
    await vi.advanceTimersByTimeAsync(30_000)
    await schedules.close()
    expect(warn.mock.calls).toEqual([
      [
        "background-tasks: task 'plain' was discarded (id plain 2026-11-24T13:00:00.000Z): 1 tick was missed before 2026-11-24T14:00:00.000Z: the process slept, its event loop was blocked, or the clock was set forward",
      ],
    ])
  })
})

describe('a clock that is set back', () => {
  test('by less than an hour repeats no tick', async () => {
    clockAt('2026-11-24T02:59:00Z')
    const run = started([{ task: plain, cron: '0 3 * * *' }])
    await vi.advanceTimersByTimeAsync(120_000)
    vi.setSystemTime('2026-11-24T02:30:00Z')
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(run.ticks()).toEqual(['2026-11-24T03:00:00.000Z'])
  })

  test('by more goes on by the new time', async () => {
    clockAt('2036-11-24T02:59:00Z')
    const run = started([{ task: plain, cron: '0 3 * * *' }])
    await vi.advanceTimersByTimeAsync(120_000)
    vi.setSystemTime('2026-11-24T02:30:00Z')
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(run.ticks()).toEqual(['2036-11-24T03:00:00.000Z', '2026-11-24T03:00:00.000Z'])
  })
})

describe('the time zone', () => {
  /** The ticks of an expression in a time zone, from noon of the day before to noon of that day. */
  async function ticksOn(day: string, cron: string, timezone?: string): Promise<string[]> {
    const noon = Date.parse(`${day}T12:00:00Z`)
    clockAt(new Date(noon - 24 * 3_600_000).toISOString())
    const run = started([{ task: plain, cron, timezone }], { overlap: 'run' })
    await vi.advanceTimersByTimeAsync(24 * 3_600_000)
    await run.schedules.close()
    return run.ticks()
  }

  test('is UTC unless it is said', async () => {
    expect(await ticksOn('2026-07-01', '0 3 * * *')).toEqual(['2026-07-01T03:00:00.000Z'])
  })

  test('is that of the schedule, in summer', async () => {
    expect(await ticksOn('2026-07-01', '0 3 * * *', 'Europe/Vienna')).toEqual(['2026-07-01T01:00:00.000Z'])
  })

  test('is that of the schedule, in winter', async () => {
    expect(await ticksOn('2026-01-01', '0 3 * * *', 'Europe/Vienna')).toEqual(['2026-01-01T02:00:00.000Z'])
  })

  test('when Vienna goes to summer time, a daily time that does not exist is run right after the gap', async () => {
    expect(await ticksOn('2026-03-29', '30 2 * * *', 'Europe/Vienna')).toEqual(['2026-03-29T01:00:00.000Z'])
  })

  test('when Vienna goes to summer time, what is hourly runs once an hour, not in the gap', async () => {
    const ticks = await ticksOn('2026-03-29', '30 * * * *', 'Europe/Vienna')
    expect(ticks).toHaveLength(24)
    expect(ticks.slice(12, 15)).toEqual([
      '2026-03-29T00:30:00.000Z',
      '2026-03-29T01:30:00.000Z',
      '2026-03-29T02:30:00.000Z',
    ])
  })

  test('when Vienna goes back, a daily time that comes twice is run at the first', async () => {
    expect(await ticksOn('2026-10-25', '30 2 * * *', 'Europe/Vienna')).toEqual(['2026-10-25T00:30:00.000Z'])
  })

  test('when Vienna goes back, what is hourly runs in both of the hours', async () => {
    const ticks = await ticksOn('2026-10-25', '30 * * * *', 'Europe/Vienna')
    expect(ticks).toHaveLength(24)
    expect(ticks.slice(12, 15)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:30:00.000Z',
      '2026-10-25T02:30:00.000Z',
    ])
  })

  test('a tick that is months away is waited for, past what a timer can', async () => {
    clockAt('2026-11-24T12:00:00Z')
    const run = started([{ task: plain, cron: '0 3 1 1 *' }])
    await vi.advanceTimersByTimeAsync(37 * 24 * 3_600_000)
    expect(run.ticks()).toEqual([])
    await vi.advanceTimersByTimeAsync(24 * 3_600_000)
    await run.schedules.close()
    expect(run.ticks()).toEqual(['2027-01-01T03:00:00.000Z'])
  })
})

describe('with a queue', () => {
  test('a tick is one job, however many processes tick', async () => {
    await using queue = memory()
    const runs: string[] = []
    const note = defineTask({ name: 'note', run: (_to: string, { id }) => void runs.push(id) })
    const first = started([{ task: note, cron: EACH_SECOND, input: 'ada' }], { queue })
    const second = started([{ task: note, cron: EACH_SECOND, input: 'ada' }], { queue })
    await queue.work([note])
    await until(() => runs.length === 2, 'two jobs')
    await Promise.all([first.schedules.close(), second.schedules.close()])
    const ticks = new Set([...first.ticks(), ...second.ticks()])
    expect([...new Set(runs)]).toEqual(runs)
    expect(runs).toEqual([...ticks].sort().map((tick) => `note ${tick}`))
    // What it does there is told by the worker.
    expect(first.log()).toEqual([])
    expect(first.events[0]).toMatchObject({ type: 'added', queue: 'memory' })
  })

  test('a tick is enqueued also while the last one is', async () => {
    const memoryQueue = memory()
    const gate = deferred()
    const enqueueAll = vi.fn(async () => {
      await gate.promise
      return []
    })
    const queue = override(memoryQueue, { enqueueAll })
    clockAt(MIDDLE)
    const run = started([{ task: greet, cron: EACH_SECOND, input: 'ada' }], { queue })
    await pass(2)
    await until(() => enqueueAll.mock.calls.length === 2, 'two calls at once')
    gate.resolve()
    await run.schedules.close()
    expect(run.log()).toEqual([])
  })

  test('a tick that it does not take goes to the observer and to onError, and the schedule goes on', async () => {
    const onError = vi.fn()
    const failure = new QueueError('the queue is down')
    const enqueueAll = vi.fn(async () => [] as { id: string }[]).mockRejectedValueOnce(failure)
    clockAt(MIDDLE)
    const run = started([{ task: greet, cron: EACH_SECOND, input: 'ada' }], {
      queue: override(memory(), { enqueueAll }),
      onError,
    })
    await pass(1)
    await until(() => ended(run) === 1, 'the failure')
    await pass(1)
    await until(() => enqueueAll.mock.calls.length === 2, 'the next tick')
    await run.schedules.close()
    const [{ task, ...added }, failed] = run.events as [TaskEvent, TaskEvent]
    expect(added).toMatchObject({ type: 'added', queue: 'memory' })
    expect(failed).toMatchObject({ type: 'failed', error: failure, task })
    expect(onError.mock.calls).toEqual([[failure, { ...task, attempt: 1 }]])
  })

  test('a tick that it does not take is printed where there is no onError', async () => {
    const enqueueAll = async () => {
      throw new QueueError('the queue is down')
    }
    clockAt(MIDDLE)
    const run = started([{ task: greet, cron: EACH_SECOND, input: 'ada' }], {
      queue: override(memory(), { enqueueAll }),
    })
    await pass(1)
    await until(() => ended(run) > 0, 'the failure')
    await run.schedules.close()
    expect(takePrinted()[0]).toMatch(/^background-tasks: task 'greet' failed .*QueueError: the queue is down/)
  })

  test('close waits until what is on its way is enqueued', async () => {
    const gate = deferred()
    const enqueueAll = vi.fn(async () => {
      await gate.promise
      return []
    })
    clockAt(MIDDLE)
    const run = started([{ task: greet, cron: EACH_SECOND, input: 'ada' }], {
      queue: override(memory(), { enqueueAll }),
    })
    await pass(1)
    await until(() => enqueueAll.mock.calls.length > 0, 'the call')
    let isClosed = false
    const closed = run.schedules.close().then(() => {
      isClosed = true
    })
    for (let count = 0; count < 10; count++) await turn()
    expect(isClosed).toBe(false)
    gate.resolve()
    await closed
  })

  test('an inline task runs in this process, one at a time, with an input that could not travel', async () => {
    await using queue = memory()
    clockAt(MIDDLE)
    const gate = deferred()
    const inputs: unknown[] = []
    const inline = defineTask({
      name: 'inline',
      inline: true,
      run: (map: Map<string, string>) => {
        inputs.push(map)
        return gate.promise
      },
    })
    const input = new Map([['ada', 'lovelace']])
    const run = started([{ task: inline, cron: EACH_SECOND, input }], { queue })
    await pass(1)
    await until(() => inputs.length > 0, 'the start')
    await pass(1)
    gate.resolve()
    await run.schedules.close()
    expect(inputs).toEqual([input])
    expect(run.log().map((line) => line.split(' ')[0])).toEqual(['started', 'discarded', 'succeeded'])
  })

  test('an input that cannot travel is refused at once', async () => {
    await using queue = memory()
    const task = defineTask({ name: 'remember', run: (_map: Map<string, string>) => {} })
    expect(() => croner([{ task, cron: '0 3 * * *', input: new Map() }], { queue })).toThrow(TaskInputError)
    await croner([{ task, cron: '0 3 * * *', input: new Map() }]).close()
  })
})

describe('close', () => {
  test('ends the ticks, waits for what runs, and says how it ended', async () => {
    clockAt(MIDDLE)
    const gate = deferred()
    const held = defineTask({ name: 'held', run: () => gate.promise })
    const run = started([{ task: held, cron: EACH_SECOND }])
    await pass(1)
    const closed = run.schedules.close()
    await pass(10)
    gate.resolve()
    expect(await closed).toEqual({ succeeded: 1, failed: 0, discarded: 0, abandoned: [] })
    expect(run.ticks()).toEqual(['2026-11-24T12:00:01.000Z'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('at its deadline abandons what still runs, and aborts its signal', async () => {
    const reasons: unknown[] = []
    const deaf = defineTask({
      name: 'deaf',
      run: (_input: undefined, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason.name))
        return new Promise(() => {})
      },
    })
    clockAt(MIDDLE)
    const run = started([{ task: deaf, cron: EACH_SECOND }])
    await pass(1)
    await until(() => run.log().length > 0, 'the start')
    const { id, name } = run.events[0]!.task
    const closed = run.schedules.close({ timeoutMs: 5000 })
    await pass(5)
    expect((await closed).abandoned).toEqual([{ id, name }])
    expect(reasons).toEqual(['AbortError'])
  })

  test('may be called again', async () => {
    const { schedules } = started([{ task: plain, cron: EACH_SECOND }])
    await schedules.close()
    expect(await schedules.close()).toEqual({ succeeded: 0, failed: 0, discarded: 0, abandoned: [] })
  })

  test('is what drain and `await using` do', async () => {
    clockAt(MIDDLE)
    const drained = started([{ task: plain, cron: EACH_SECOND }])
    const disposed = started([{ task: plain, cron: EACH_SECOND }])
    await drained.schedules.drain({ timeoutMs: 1000 })
    await disposed.schedules[Symbol.asyncDispose]()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('inside one of its own tasks rejects, as it would wait for itself; the ticks end all the same', async () => {
    clockAt(MIDDLE)
    let problem: unknown
    const closing = defineTask({
      name: 'closing',
      run: async () => {
        problem = await run.schedules.close().catch((error) => error)
      },
    })
    const run: Started = started([{ task: closing, cron: EACH_SECOND }])
    await pass(1)
    await until(() => ended(run) > 0, 'its end')
    expect(String(problem)).toBe('Error: Cannot drain inside a task as it would wait for itself')
    await pass(10)
    expect(run.ticks()).toHaveLength(1)
  })

  test('refuses a deadline that is none', async () => {
    const { schedules } = started([{ task: plain, cron: '0 3 * * *' }])
    await expect(schedules.close({ timeoutMs: -1 })).rejects.toThrow(TypeError)
  })
})

describe('a process', () => {
  const start = (mode: string): Program => {
    const program = new Program('node/bin/node', ['_croner-process.ts', mode])
    onTestFinished(() => program[Symbol.asyncDispose]())
    return program
  }

  test('is kept alive by its schedules, and ends when they are closed', async () => {
    const program = start('close')
    await program.printed('end 2')
    program.kill('SIGUSR2')
    expect(await program.end()).toBe(0)
    expect(program.stderr).toBe('')
  })

  test('that gets SIGTERM lets the run end before it dies, and starts no other', async () => {
    const program = start('signal')
    await program.printed('start 1')
    program.kill('SIGTERM')
    await program.printed('draining')
    program.kill('SIGUSR2')
    expect(await program.end()).toBe('SIGTERM')
    expect([program.lines, program.stderr]).toEqual([['start 1', 'draining', 'end 1'], ''])
  })
})

describe('what is refused at once', () => {
  const schedule = { task: greet, cron: '0 3 * * *', input: 'ada' }
  const refusal = (schedules: unknown, options?: object): string => {
    try {
      croner(schedules as Schedule[], options).close()
    } catch (error) {
      return String(error)
    }
    return 'nothing'
  }

  test('no schedule at all', () => {
    expect(refusal([])).toBe(
      "TypeError: Cannot create the schedules as 'schedules' must be an array of { task, cron, input } that is not empty: current value is [object Array]",
    )
  })

  test('one schedule that is not in an array', () => {
    expect(refusal(schedule)).toContain("'schedules' must be an array")
  })

  test('a schedule that is no object', () => {
    expect(refusal([schedule, undefined])).toBe(
      "TypeError: Cannot create the schedules as 'schedules[1]' must be { task, cron, input }: current value is undefined",
    )
  })

  test('a function in the place of a task', () => {
    expect(refusal([{ ...schedule, task: () => {} }])).toBe(
      "TypeError: Cannot create the schedules as 'schedules[0].task' must be a task made by defineTask: current value is function task",
    )
  })

  test('no expression', () => {
    expect(refusal([{ task: greet, input: 'ada' }])).toContain("'schedules[0].cron' must be a cron expression such as")
  })

  test('an expression with a value that there is not', () => {
    expect(refusal([{ ...schedule, cron: '61 * * * *' }])).toBe(
      'TypeError: Cannot create the schedules as \'schedules[0].cron\' must be a cron expression: current value is "61 * * * *" (CronPattern: Invalid value for minute: 61)',
    )
  })

  test('an expression of four fields', () => {
    expect(refusal([{ ...schedule, cron: '0 3 * *' }])).toContain(
      "'schedules[0].cron' must be five fields, or six with seconds first",
    )
  })

  test('an expression of seven fields', () => {
    expect(refusal([{ ...schedule, cron: '0 0 3 * * * 2030' }])).toContain('must be five fields')
  })

  test('a date, which croner would take for an expression', () => {
    expect(refusal([{ ...schedule, cron: '2030-01-01T03:00:00' }])).toContain('must be five fields')
  })

  test('an expression that never ticks', () => {
    expect(refusal([{ ...schedule, cron: '0 3 30 2 *' }])).toContain('must be a cron expression that ticks at all')
  })

  test('a time zone that there is not', () => {
    expect(refusal([{ ...schedule, timezone: 'Europe/Wien' }])).toBe(
      "TypeError: Cannot create the schedules as 'schedules[0].timezone' must be an IANA time zone such as 'Europe/Vienna': current value is \"Europe/Wien\"",
    )
  })

  test('an empty key', () => {
    expect(refusal([{ ...schedule, key: '' }])).toContain("'schedules[0].key' must be a string that is not empty")
  })

  test('two schedules with the same task and key', () => {
    expect(refusal([schedule, { ...schedule, cron: '0 4 * * *' }])).toBe(
      "TypeError: Cannot create the schedules as two of the task 'greet' have the key 'greet': give each its own",
    )
  })

  test('an input that the schema of the task refuses', () => {
    const task = defineTask({ name: 'strict', input: z.email(), run: () => {} })
    expect(refusal([{ task, cron: '0 3 * * *', input: 'ada' }])).toContain(
      "TaskInputError: Cannot add the task 'strict'",
    )
  })

  test('an overlap that there is not', () => {
    expect(refusal([schedule], { overlap: 'queue' })).toBe(
      "TypeError: Cannot create the schedules as 'overlap' must be 'skip', 'run': current value is \"queue\"",
    )
  })

  test('options that are no object', () => {
    expect(refusal([schedule], [])).toContain("'options' must be an object")
  })

  test('a queue that is none', () => {
    expect(refusal([schedule], { queue: {} })).toContain("'queue' must be a queue such as")
  })

  test('of several schedules the last, with no timer left of the others', () => {
    clockAt('2026-11-24T12:00:00Z')
    expect(refusal([schedule, { ...schedule, key: 'other', cron: 'never' }])).not.toBe('nothing')
    expect(refusal([schedule], { retry: { attempts: 0 } })).toContain("'retry.attempts' must be a positive integer")
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('each schedule has the type of its own task', () => {
  const add = defineTask({ name: 'add', run: ({ a, b }: { a: number; b: number }) => a + b })
  const maybe = defineTask({ name: 'maybe', run: (_input: string | undefined) => {} })
  // Not called: only compiled.
  const compiled = (): void => {
    croner([
      { task: plain, cron: '0 3 * * *' },
      { task: add, cron: '0 3 * * *', input: { a: 1, b: 2 }, timezone: 'Europe/Vienna', key: 'sum' },
      { task: maybe, cron: '0 3 * * *' },
      { task: maybe, cron: '0 3 * * *', input: 'ada', key: 'second' },
    ])
    // @ts-expect-error its input is missing
    croner([{ task: add, cron: '0 3 * * *' }])
    // @ts-expect-error its input is another
    croner([{ task: add, cron: '0 3 * * *', input: { a: 1 } }])
    croner([
      { task: plain, cron: '0 3 * * *' },
      // @ts-expect-error that of the second is another
      { task: greet, cron: '0 3 * * *', input: 1 },
    ])
    // @ts-expect-error it takes none
    croner([{ task: plain, cron: '0 3 * * *', input: 'ada' }])
    const list: Schedule[] = []
    croner(list)
    const typed: Schedule<typeof greet>[] = [{ task: greet, cron: '0 3 * * *', input: 'ada' }]
    croner(typed)
  }
  expect(compiled).toBeTypeOf('function')
  expectTypeOf<Schedule<typeof greet>['input']>().toEqualTypeOf<string>()
})

/** A queue with some methods of the test's own. */
function override(queue: TaskQueue, methods: Partial<TaskQueue>): TaskQueue {
  return Object.assign(queue, methods)
}
