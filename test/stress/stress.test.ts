import { expect, test } from 'vitest'
import { runFairness } from './_fairness.ts'
import { runFaults, stressSeed } from './_faults.ts'

test('under random faults every task ends once, every resource is disposed of once, and nothing is kept', {
  timeout: 60_000,
}, async () => {
  const seed = stressSeed()
  console.info(`drawn with STRESS_SEED=${seed}`)
  // A request that is kept is some thousand bytes; what has not been compiled yet is most of the rest.
  const { problems, sent, added } = await runFaults(3_000, seed, 400)
  expect(problems).toEqual([])
  expect(sent).toBe(3_000)
  expect(added).toBeGreaterThan(3_000)
})

test('while a long list drains, other requests are answered in a fraction of its time', {
  timeout: 60_000,
}, async () => {
  const { ours, chain } = await runFairness(400, 1)
  expect(chain.p99, 'what a plain chain of promises does').toBeGreaterThan(200)
  expect(ours[0]?.p99).toBeLessThan(chain.duration / 4)
})
