/** Sends requests as fast as they are answered, and tells how fast that was. */
import { createRequire } from 'node:module'
import { answering } from './_child.ts'

// It brings no types.
const autocannon = createRequire(import.meta.url)('autocannon')

export interface Load {
  url: string
  /** What comes first, and is not counted. */
  leadSeconds: number
  seconds: number
  connections: number
}

export interface LoadFigures {
  requests: number
  perSecond: number
  /** Which part of a CPU this process had. */
  cpu: number
}

answering(async ({ url, leadSeconds, seconds, connections }: Load): Promise<LoadFigures> => {
  let requests = 0
  let first = 0
  let last = 0
  const run = autocannon({ url, connections, duration: leadSeconds + seconds, sampleInt: 10 })
  const begun = performance.now()
  let before = process.cpuUsage()
  run.on('response', (_client: unknown, status: number) => {
    if (status !== 200) throw new Error(`${url} answered ${status}`)
    last = performance.now()
    if (last - begun < leadSeconds * 1000) return
    if (requests++ > 0) return
    first = last
    before = process.cpuUsage()
  })
  await run
  const { user, system } = process.cpuUsage(before)
  const cpu = (user + system) / 1000 / (last - first)
  return { requests, perSecond: ((requests - 1) / (last - first)) * 1000, cpu }
})
