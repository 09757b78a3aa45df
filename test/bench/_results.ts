/** RESULTS.md, and its charts. */

import { execFile } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, totalmem, type } from 'node:os'
import { promisify } from 'node:util'
import { drawn } from './_charts.ts'
import { root } from './_package.ts'
import { PYTHON } from './_started.ts'
import { asMarkdown, chartFile, type Table } from './_table.ts'

const folder = `${root}/test/bench`
const PACKAGES = [
  '@hono/node-server',
  'hono',
  'srvx',
  'h3',
  'fastify',
  'express',
  'on-finished',
  'bun',
  'elysia',
  'deno',
  'miniflare',
]
const PYTHON_VERSIONS =
  'import platform, fastapi, starlette, uvicorn; print(f"Python {platform.python_version()}, fastapi {fastapi.__version__}, starlette {starlette.__version__}, uvicorn {uvicorn.__version__}")'

/** Tells what was written. */
export async function writeResults(
  tables: readonly Table[],
  remarks: readonly string[],
  seconds: number,
): Promise<string> {
  const without = await writeCharts(tables)
  const shown = without ? tables.map(({ charts: _, ...table }) => table) : tables
  const text = [
    '# What it costs, and what it saves',
    `Written by \`npm run bench\` in ${seconds} s on ${new Date().toISOString().slice(0, 10)}.`,
    [
      `- ${type()}, ${availableParallelism()} CPUs (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB`,
      `- ${await versions()}`,
      ...remarks.map((remark) => `- ${remark}`),
    ].join('\n'),
    [
      'Every server is a process of its own, and has the same routes and the same tasks. The figures of one table were measured in turns, A B A B …,',
      'from outside, on loopback; each server was started several times. A figure is the median of the rounds, and a part of another is the median of',
      "the rounds' ratios; behind ± stands half of the width in which the middle half of the rounds lies. After every measurement it was checked that",
      'all tasks had run. By hand, and in a hook of a framework, the tasks are a list of functions that are called in order, each awaited and caught.',
      'A footnote says what a system does not do: its figure is for less work.',
    ].join('\n'),
    asMarkdown(shown),
  ]
  await writeFile(`${folder}/RESULTS.md`, `${text.join('\n\n')}\n`)
  return without ?? 'Written: test/bench/RESULTS.md, test/bench/results/*.svg'
}

/** Why there are none; undefined when there are. */
async function writeCharts(tables: readonly Table[]): Promise<string | undefined> {
  try {
    const charts = tables.flatMap((table) =>
      (table.charts ?? []).map(async (chart, index) => [chartFile(table, index), await drawn(chart)] as const),
    )
    const files = await Promise.all(charts)
    await rm(`${folder}/results`, { recursive: true, force: true })
    await mkdir(`${folder}/results`)
    for (const [name, svg] of files) await writeFile(`${folder}/results/${name}`, svg)
    return undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    return 'RESULTS.md is without its charts: npm install --save-dev vega vega-lite'
  }
}

async function versions(): Promise<string> {
  const installed = await Promise.all(
    PACKAGES.map(async (name) => {
      const { version } = JSON.parse(await readFile(`${root}/node_modules/${name}/package.json`, 'utf8'))
      return `${name} ${version}`
    }),
  )
  const python = await promisify(execFile)(PYTHON, ['-c', PYTHON_VERSIONS]).then(
    ({ stdout }) => [stdout.trim()],
    () => [],
  )
  return [`Node ${process.versions.node}`, ...installed, ...python].join(', ')
}
