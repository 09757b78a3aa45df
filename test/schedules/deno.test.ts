import { describe, expect, onTestFinished, test } from 'vitest'
import { deno, type Schedule } from '../../adapters/schedules/deno.ts'
import { defineTask } from '../../src/index.ts'
import { Program } from './_process.ts'

/** A Deno process. Deno has a switch for its own tests: each cron ticks so many milliseconds after its last run. */
function start(mode: string, tickMs: number | undefined, flags = ['--unstable-cron']): Program {
  const args = ['run', '--no-prompt', '--no-config', '--node-modules-dir=manual', '--allow-net=127.0.0.1']
  const env = tickMs === undefined ? undefined : { DENO_CRON_TEST_SCHEDULE_OFFSET: String(tickMs) }
  const program = new Program('.bin/deno', [...args, ...flags, '_deno-process.ts', mode], env)
  onTestFinished(() => program[Symbol.asyncDispose]())
  return program
}

const report = defineTask({ name: 'report', run: (_to: string) => {} })
const schedule = { task: report, cron: '* * * * *', input: 'ada' } as const

describe('in a Deno process', () => {
  test('a task runs at each tick with its input, and close lets the process end', async () => {
    const program = start('quick', 200)
    await program.printed('quick', 2)
    expect(program.lines[0]).toMatch(/^quick ada quick \d{4}-\d\d-\d\dT\d\d:\d\d:00\.000Z$/)
    program.kill('SIGUSR2')
    expect(await program.end()).toBe(0)
    expect(program.lines.at(-1)).toMatch(/^closed \{"succeeded":0,"failed":0,"discarded":0,"abandoned":\[\]\}$/)
    expect(program.stderr).toBe('')
  })

  test('a run that takes longer than a tick is not overlapped', async () => {
    const program = start('slow', 20)
    await program.printed('slow end', 2)
    expect(program.lines.filter((line) => line.startsWith('slow start')).slice(0, 2)).toEqual([
      'slow start 1',
      'slow start 1',
    ])
  })

  test('close waits for what runs', async () => {
    const program = start('held', 20)
    await program.printed('slow start')
    program.kill('SIGUSR2')
    expect(await program.end()).toBe(0)
    expect(program.lines.filter((line) => !line.startsWith('event'))).toEqual([
      'slow start 1',
      'slow end 1',
      'closed {"succeeded":1,"failed":0,"discarded":0,"abandoned":[]}',
    ])
  })

  test('close gives up at its deadline what hangs, and aborts its signal', async () => {
    const program = start('hang', 20)
    await program.printed('slow start')
    program.kill('SIGUSR2')
    await program.printed('closed')
    expect(program.lines).toContain('event abandoned slow 1 drain reached its deadline')
    await program.printed('slow end 1')
    expect(program.lines.find((line) => line.startsWith('closed'))).toMatch(
      /^closed .*"abandoned":\[\{"id":"slow [^"]+","name":"slow"\}\]\}$/,
    )
  })

  test('gracefulShutdown waits for what runs, then the process dies by the signal', async () => {
    const program = start('shutdown', 20)
    await program.printed('slow start')
    program.kill('SIGTERM')
    expect(await program.end()).toBe('SIGTERM')
    expect(program.lines).toEqual(['slow start 1', 'slow end 1'])
    expect(program.stderr).toBe('')
  })

  test('a task that fails is tried again, and goes to onError: Deno sees nothing of it', async () => {
    const program = start('failing', 50)
    await program.printed('error', 2)
    expect(program.lines.slice(0, 6)).toEqual([
      'event added failing  ',
      'event started failing 1 ',
      'event retrying failing 1 ',
      'event started failing 2 ',
      'event failed failing 2 ',
      'error failing 2 Error: out of order',
    ])
    expect(program.stderr).toBe('')
  })

  test('with a queue each tick is one job', async () => {
    const program = start('queue', 50)
    await program.printed('quick')
    await program.printed('event added', 3)
    expect(program.lines.filter((line) => !line.startsWith('quick'))).toContain('event added quick  ')
    const ids = program.lines.filter((line) => line.startsWith('quick'))
    // All ticks within a minute have the same id, as Deno says no more.
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids[0]).toMatch(/^quick ada of the queue \d{4}-\d\d-\d\dT\d\d:\d\d:00\.000Z$/)
  })

  test('every key becomes a name that Deno takes, and that no other key has', async () => {
    const program = start('names', undefined)
    expect(await program.end()).toBe(0)
    expect([program.lines, program.stderr]).toEqual([['closed'], ''])
  })

  test('an expression that Deno refuses is a TypeError, after which none of the schedules ticks', async () => {
    const program = start('refused', undefined)
    await program.printed('over')
    expect(program.lines).toEqual([
      'cron TypeError: Cannot create the schedules as Deno.cron refuses schedules[1] with the cron "61 * * * *": Invalid cron schedule',
      'again was taken',
      'twice TypeError: Cannot create the schedules as Deno.cron refuses schedules[0] with the cron "* * * * *": Cron with this name already exists',
      'over',
    ])
  })

  test('without --unstable-cron an error says what to do', async () => {
    const program = start('plain', undefined, [])
    expect(await program.end()).toBe(1)
    expect(program.lines).toEqual(['started'])
    expect(program.stderr).toContain(
      'Error: Cannot create the schedules as there is no Deno.cron: use deno run --unstable-cron',
    )
  })
})

describe('what is refused at once', () => {
  const refusal = (...schedules: Schedule[]): string => {
    try {
      deno(schedules)
    } catch (error) {
      return String(error)
    }
    return 'nothing'
  }

  test('another time zone, as Deno has only UTC', () => {
    expect(refusal({ ...schedule, timezone: 'Europe/Vienna' })).toBe(
      "TypeError: Cannot create the schedules as 'schedules[0].timezone' must be 'UTC', which is all that Deno.cron has: current value is \"Europe/Vienna\"",
    )
  })

  test('days of the week by number, which would be other days in Deno', () => {
    expect(refusal(schedule, { ...schedule, key: 'b', cron: '0 3 * * 1-5' })).toBe(
      'TypeError: Cannot create the schedules as \'schedules[1].cron\' must be an expression with days of the week by name (MON-FRI), as to Deno.cron 1 is Sunday: current value is "0 3 * * 1-5"',
    )
  })

  test('a key whose name is longer than Deno allows', () => {
    expect(refusal({ ...schedule, key: 'x'.repeat(60) })).toContain(
      "'schedules[0].key' must be short: Deno allows a name of 64 characters",
    )
  })

  test('a process without Deno.cron', () => {
    expect(refusal(schedule)).toBe(
      'Error: Cannot create the schedules as there is no Deno.cron: use deno run --unstable-cron',
    )
  })

  test('steps and occurrences of days are no numbers of days', () => {
    expect(refusal({ ...schedule, cron: '0 3 * * */2' })).toContain('there is no Deno.cron')
    expect(refusal({ ...schedule, cron: '0 3 * * MON#1' })).toContain('there is no Deno.cron')
  })
})
