/**
 * What must be over in time.
 *
 * @module
 */
import { startTimer, stopTimer } from '../../src/adapter.ts'
import type { Deadline } from './_engine.ts'

/**
 * Waits for work, but not longer; a late end of it is ignored.
 *
 * @throws {DOMException} TimeoutError
 */
export async function within<T>(ms: number, work: Promise<T> | ((deadline: Deadline) => Promise<T>)): Promise<T> {
  const controller = new AbortController()
  let timer: unknown
  const late = new Promise<never>((_resolve, reject) => {
    const end = (): void => {
      const error = new DOMException(`no answer within ${ms} ms`, 'TimeoutError')
      reject(error)
      controller.abort(error)
    }
    timer = startTimer(end, ms)
  })
  const deadline = { at: Date.now() + ms, signal: controller.signal }
  // Async, for what throws instead of rejecting.
  const working = typeof work === 'function' ? (async () => work(deadline))() : work
  try {
    return await Promise.race([working, late])
  } finally {
    stopTimer(timer)
  }
}
