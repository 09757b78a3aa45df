/**
 * Sends requests and writes down when what happened.
 *
 * Everything is timed in this process, as it hears of it: the clock of Workers stands still while code runs. The response
 * comes through a socket and the reports come through a pipe, so of two things that happen within a millisecond the later
 * one may be heard of first. What proves the order is that the first task of every request holds the CPU from its first
 * moment: a response that had not left by then could not arrive before the task lets go.
 *
 * @module
 */
import { Agent, request } from 'node:http'
import type { Report } from './app.ts'

/** What became of a task. Times are milliseconds since its request was sent. */
export interface TaskLine {
  readonly id: string
  readonly name: string
  /** Its number in the order of adding. */
  readonly number: number
  /** The name of the task that added it. */
  readonly addedBy: string | undefined
  startedAt: number
  /** When it let the CPU go, if it held it. */
  burntAt: number
  endedAt: number
  end: Report['type'] | undefined
  error: string | undefined
}

/** A request, its response and its tasks. */
export interface Trip {
  readonly method: string
  readonly path: string
  readonly title: string
  status: number
  /** When each piece of the body came. */
  readonly chunksAt: number[]
  completeAt: number
  readonly tasks: TaskLine[]
}

/** Whether the response had left before the first task started. */
export function responseFirst({ completeAt, tasks }: Trip): boolean {
  return tasks.every(({ burntAt, endedAt }) => completeAt < (burntAt || endedAt))
}

/** A client of the app at `url`. */
export function createClient(url: URL, timeoutMs = 10_000) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let hear: (report: Report) => void = () => {}

  /** Sends one request; waits for its response and for the end of `expected` tasks. */
  async function send(method: string, path: string, expected: number, title: string): Promise<Trip> {
    const trip: Trip = { method, path, title, status: 0, chunksAt: [], completeAt: 0, tasks: [] }
    const sentAt = performance.now()
    const now = (): number => performance.now() - sentAt

    await new Promise<void>((resolve, reject) => {
      const timeout = setTimeout(() => {
        reject(
          new Error(
            `Cannot finish ${method} ${path}: after ${timeoutMs} ms ${trip.tasks.filter(({ end }) => end).length} of ${expected} tasks have ended`,
          ),
        )
      }, timeoutMs)
      const check = (): void => {
        if (!trip.completeAt || trip.tasks.filter(({ end }) => end).length < expected) return
        clearTimeout(timeout)
        resolve()
      }
      hear = (report) => {
        note(trip, report, now())
        check()
      }
      const outgoing = request(new URL(path, url), { method, agent }, (response) => {
        trip.status = response.statusCode ?? 0
        response.on('data', () => trip.chunksAt.push(now()))
        response.on('end', () => {
          trip.completeAt = now()
          check()
        })
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
    return trip
  }

  return { send, hear: (report: Report): void => hear(report), close: (): void => agent.destroy() }
}

function note({ tasks }: Trip, report: Report, at: number): void {
  const running = tasks.find(({ startedAt, end }) => startedAt && !end)
  if (report.type === 'burnt') {
    if (running) running.burntAt = at
    return
  }
  if (report.type === 'added') {
    const { id, name } = report
    tasks.push({
      id,
      name,
      number: tasks.length + 1,
      addedBy: running?.name,
      startedAt: 0,
      burntAt: 0,
      endedAt: 0,
      end: undefined,
      error: undefined,
    })
    return
  }
  const task = tasks.find(({ id }) => id === report.id)
  if (!task) return
  if (report.type === 'started') task.startedAt = at
  else Object.assign(task, { endedAt: at, end: report.type, error: report.error })
}
