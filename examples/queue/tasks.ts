/**
 * What is done in the background, wherever that is.
 */
import { defineTask } from 'background-tasks'
import { z } from 'zod'

export const compute = defineTask({
  name: 'compute',
  input: z.object({ below: z.number().int().min(2).max(1_000_000) }),
  retry: { attempts: 3 },
  timeoutMs: 60_000,
  run: ({ below }, { attempt }) => {
    console.log(`counting the primes below ${below}, attempt ${attempt}`)
    let primes = 0
    for (let n = 2; n < below; n++) if (isPrime(n)) primes++
    return { primes }
  },
})

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false
  return true
}
