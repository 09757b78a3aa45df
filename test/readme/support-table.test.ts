import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { readme, withSupportTable } from './support-table.ts'

it('the README says of every host what its adapter says (else run: node test/readme/support-table.ts)', async () => {
  const text = await readFile(readme, 'utf8')
  expect(text).toBe(withSupportTable(text))
})
