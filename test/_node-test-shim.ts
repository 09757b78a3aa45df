/** Stands for vitest on Node 20, where vitest does not run: node's own runner, and Jest's `expect`. */
import { afterEach, beforeEach, describe, test as nodeTest } from 'node:test'
import { expect as jestExpect } from 'expect'

type Each = (rows: readonly (readonly unknown[])[]) => (name: string, run: (...row: any[]) => unknown) => void

/** `%s` and its kind in the name are filled in order. */
const each: Each = (rows) => (name, run) => {
  for (const row of rows) {
    let column = 0
    nodeTest(
      name.replace(/%s/g, () => String(row[column++])),
      async () => void (await run(...row)),
    )
  }
}

// Jest's refuses the message that vitest takes as the second argument.
export const expect = Object.assign((value: unknown, _message?: string) => jestExpect(value), jestExpect, {
  fail(message: string): never {
    throw new Error(message)
  },
})
export const test = Object.assign(nodeTest, { each })
export const it = test
export { afterEach, beforeEach, describe }
