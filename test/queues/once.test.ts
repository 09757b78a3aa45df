import { expect, it, vi } from 'vitest'
import { once } from '../../adapters/queues/_once.ts'

it('once makes it at the first call only, also for those that come meanwhile', async () => {
  const make = vi.fn(async (_ended: () => void, name: string) => ({ name }))
  const call = once(make)
  const [first, second] = await Promise.all([call('a'), call('b')])
  expect(first).toEqual({ name: 'a' })
  expect(second).toBe(first)
  expect(await call('c')).toBe(first)
  expect(make).toHaveBeenCalledTimes(1)
})

it('once makes it anew when it could not be made', async () => {
  const make = vi.fn(async () => make.mock.calls.length)
  make.mockRejectedValueOnce(new Error('no'))
  const call = once(make)
  await expect(call()).rejects.toThrow('no')
  expect(await call()).toBe(2)
})

it('once makes it anew when it has ended, but does not forget another one for that', async () => {
  const ends: (() => void)[] = []
  const call = once(async (ended) => ends.push(ended))
  expect(await call()).toBe(1)
  ends[0]?.()
  expect(await call()).toBe(2)
  ends[0]?.()
  expect(await call()).toBe(2)
})

it('once gives what it forgets, also while that is made, and does not forget another one when that fails', async () => {
  const { promise, reject } = Promise.withResolvers<number>()
  const make = vi.fn(async () => 2)
  make.mockReturnValueOnce(promise)
  const call = once(make)
  expect(call.forget()).toBe(undefined)
  const first = call()
  expect(call.forget()).toBe(promise)
  expect(await call()).toBe(2)
  reject(new Error('late'))
  await expect(first).rejects.toThrow('late')
  await call()
  expect(make).toHaveBeenCalledTimes(2)
})
