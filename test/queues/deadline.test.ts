/** What must be over in time. */
import { describe, expect, it } from 'vitest'
import { within } from '../../adapters/queues/_deadline.ts'

/** How many timers keep the process alive. */
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

describe('within', () => {
  it('gives what the work gives, or rejects with its error, and leaves no timer', async () => {
    const before = timers()
    expect(await within(60_000, async () => 1)).toBe(1)
    expect(await within(60_000, Promise.resolve(2))).toBe(2)
    await expect(within(60_000, async () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(timers()).toBe(before)
  })

  it('rejects and leaves no timer as well where the work throws at once', async () => {
    const before = timers()
    const work = (): never => {
      throw new Error('at once')
    }
    await expect(within(60_000, work)).rejects.toThrow('at once')
    expect(timers()).toBe(before)
  })

  it('rejects at the deadline, which the work was told, aborts its signal, and ignores its late failure', async () => {
    const { promise, reject } = Promise.withResolvers<void>()
    let reason: unknown
    let at = 0
    const started = Date.now()
    const late = within(50, (deadline) => {
      at = deadline.at
      deadline.signal.addEventListener('abort', () => {
        reason = deadline.signal.reason
      })
      return promise
    })
    await expect(late).rejects.toMatchObject({ name: 'TimeoutError', message: 'no answer within 50 ms' })
    expect(reason).toMatchObject({ name: 'TimeoutError' })
    expect(at - started).toBeGreaterThanOrEqual(50)
    expect(at - started).toBeLessThan(1000)
    // Unhandled, it would fail this test.
    reject(new Error('late'))
    await new Promise((resolve) => setImmediate(resolve))
  })

  it('is late also where the abort makes the work give something', async () => {
    const late = within(20, ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)))
    await expect(late).rejects.toMatchObject({ name: 'TimeoutError' })
  })
})
