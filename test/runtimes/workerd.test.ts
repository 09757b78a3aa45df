import { expect, test } from 'vitest'
import type { Line } from './_app.ts'
import { workerd } from './_start.ts'
import { testRuntime } from './_suite.ts'

testRuntime(workerd, {
  delivery: 'returned',
  abortedBefore: 'returned',
  abortedDuring: 'aborted',
  addInBody: false,
  largestBody: 1,
  closes: false,
})

// Elsewhere what a listener throws is an uncaught error of the process.
test('a task whose abort listener throws has failed all the same, which is printed, and the next one runs', async () => {
  const runtime = await workerd()
  try {
    const url = `http://127.0.0.1:${runtime.port}`
    await fetch(`${url}/plain/fixed?id=badly&tasks=limited-badly,quick`)
    const told = async (): Promise<string[]> => {
      const lines = (await (await fetch(`${url}/log?id=badly`)).json()) as Line[]
      return lines.slice(2).map(({ type, name }) => `${type} ${name}`)
    }
    const expected = ['started limited-badly', 'failed limited-badly', 'started quick', 'succeeded quick']
    await expect.poll(told, { timeout: 15_000 }).toEqual(expected)
    expect(runtime.stderr()).toContain('background-tasks: abort listener failed: Error: meant to throw')
  } finally {
    await runtime.stop()
  }
})
