import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { readme, withSupportTables } from './support-table.ts'

it('the README says of every host and engine what that says (else run: node test/readme/support-table.ts)', async () => {
  const text = await readFile(readme, 'utf8')
  expect(text).toBe(withSupportTables(text))
})
