import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { settingsOf } from '../../src/options.ts'
import { root } from '../examples/_example.ts'
import { readme } from './support-table.ts'

const text = await readFile(readme, 'utf8')

it('the README has a section for every subpath that can be imported', async () => {
  const { name, exports } = await manifest('package.json')
  const subpaths = Object.keys(exports).filter((path) => path !== '.' && path !== './package.json')
  const sections = [...text.matchAll(/^## `(background-tasks\/.*)`$/gm)].map(([, section]) => section)
  expect(sections.toSorted()).toEqual(subpaths.map((path) => name + path.slice(1)).toSorted())
})

it('the README names the package as JSR has it', async () => {
  const { name } = await manifest('jsr.json')
  const named = [...text.matchAll(/@[a-z-]+\/background-tasks/g)].map(([found]) => found)
  expect(new Set(named)).toEqual(new Set([name]))
})

it('the README explains every option', () => {
  const options = text.slice(text.indexOf('## Options'), text.indexOf('## Errors'))
  const explained = [...options.matchAll(/^\| `(\w+)` \|/gm)].map(([, option]) => option)
  expect(explained.toSorted()).toEqual(Object.keys(settingsOf()).toSorted())
})

it('the README links to every example, and to nothing that is not there', async () => {
  const linked = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, path = '']) => path)
  const examples = (await readdir(join(root, 'examples'), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && entry.name !== 'demo')
    .map(({ name }) => name)
  expect(linked).toEqual(expect.arrayContaining(examples.map((name) => `examples/${name}`)))
  for (const path of linked.filter((link) => !link.startsWith('https:')))
    expect(existsSync(join(root, path)), path).toBe(true)
})

it('the README names only commands that package.json has', async () => {
  const { scripts } = await manifest('package.json')
  const commands = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, command]) => command)
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(commands))
})

async function manifest(file: string): Promise<{ name: string; exports: object; scripts: object }> {
  return JSON.parse(await readFile(join(root, file), 'utf8'))
}
