import { spawnSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './_example.ts'

interface Row {
  readonly name: string
  readonly from: number
  readonly to: number
  readonly end: string
}

interface Shown {
  readonly request: string
  readonly rows: readonly Row[]
}

/** Starts a stream's task when the stream is returned, any other before its response is. */
const TOO_EARLY = `
const tooEarly: import('background-tasks').Adapter = {
  name: 'too early',
  keepAlive: (work, { platform }) => platform[1]?.waitUntil?.(work),
  afterResponse: (start) => queueMicrotask(() => start('returned')),
}
`

describe.each(['node', 'workers', 'deno', 'bun'])('npm run demo -- %s', { timeout: 60_000 }, (runtime) => {
  it('shows for every request that its response came first and its tasks came one after another', () => {
    const { status, stdout, stderr } = demo(root, runtime)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const shown = parsed(stdout)

    expect(shown.map(({ request, rows }) => [request, ...rows.map(({ name }) => name)])).toEqual([
      ['POST /signup → 201', 'response', '1 sendWelcomeEmail', '2 writeAuditLog'],
      ['POST /orders → 202', 'response', '1 notifyWarehouse', '2 writeAuditLog'],
      ['GET /export → 200', 'response', '1 deleteExportFile'],
      ['POST /photos → 201', 'response', '1 makeThumbnail', '2 writeAuditLog'],
      ['DELETE /articles/7 → 204', 'response', '1 purgeCache', '2 warmCache', '3 warmCache'],
    ])
    for (const { request, rows } of shown) {
      const times = rows.flatMap(({ from, to }) => [from, to])
      expect(times, request).toEqual(times.toSorted((a, b) => a - b))
    }
    expect(shown.flatMap(({ rows }) => rows.map(({ end }) => end))).toEqual([
      ...['complete', '✓', '✓'],
      ...['complete', '✗ the warehouse answered 503', '✓'],
      ...['complete', '✓'],
      ...['complete', '✓', '✓'],
      ...['complete', '✓', '✓ added by purgeCache', '✓ added by purgeCache'],
    ])
    expect(stdout).toContain('10 tasks ended, 1 of them failed as it was meant to.')
    expect(stdout).toContain('✓ 5 of 5 responses had left before their first task started.')
  })

  it('says so and exits with code 1 when a task comes before its response', async () => {
    await using copy = await copied()
    await copy.edit('examples/demo/app.ts', 'backgroundTasks({', 'backgroundTasks({ adapter: tooEarly,')
    await copy.edit('examples/demo/app.ts', 'export const app', `${TOO_EARLY}export const app`)
    const { status, stdout } = demo(copy.folder, runtime)
    expect(stdout).toContain(
      '✗ A task started before its response had left: POST /signup, POST /orders, GET /export, POST /photos, DELETE /articles/7',
    )
    expect(status).toBe(1)
  })
})

describe('npm run demo', () => {
  it('fails rather than waits for ever when a task never ends', async () => {
    await using copy = await copied()
    await copy.edit('examples/demo/app.ts', 'await wait(60)', 'await new Promise(() => {})')
    await copy.edit('examples/demo/send.ts', 'timeoutMs = 10_000', 'timeoutMs = 500')
    const { status, stderr } = demo(copy.folder, 'node')
    expect(stderr).toContain('Cannot finish POST /signup: after 500 ms 0 of 2 tasks have ended')
    expect(status).toBe(1)
  })

  it('refuses a runtime it does not know', () => {
    const { status, stderr } = demo(root, 'perl')
    expect(stderr).toBe("Cannot run the demo on 'perl': give one of node, workers, deno, bun\n")
    expect(status).toBe(1)
  })
})

function demo(folder: string, runtime: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['examples/demo.ts', runtime], { cwd: folder, encoding: 'utf8', timeout: 50_000 })
}

/** What the demo drew; the bars are for people. */
function parsed(stdout: string): Shown[] {
  return [...stdout.matchAll(/^([A-Z]+ \S+ → \d+), .*\n((?: {2}.* → .*\n)+)/gm)].map(([, request = '', rows = '']) => ({
    request,
    rows: [...rows.matchAll(/^ {2}(.+?) +(\d+) → +(\d+) ms {2}.*? {2,}([a-z✓✗].*)$/gm)].map(
      ([, name = '', from, to, end = '']) => ({ name, from: Number(from), to: Number(to), end }),
    ),
  }))
}

/** The demo and what it stands on, to be broken. */
async function copied(): Promise<
  AsyncDisposable & { readonly folder: string; edit(file: string, from: string, to: string): Promise<void> }
> {
  const folder = await mkdtemp(join(tmpdir(), 'demo-'))
  for (const name of ['dist', 'node_modules']) await symlink(join(root, name), join(folder, name))
  await cp(join(root, 'package.json'), join(folder, 'package.json'))
  await cp(join(root, 'examples'), join(folder, 'examples'), { recursive: true })
  return {
    folder,
    async edit(file, from, to) {
      const text = await readFile(join(folder, file), 'utf8')
      expect(text).toContain(from)
      await writeFile(
        join(folder, file),
        text.replace(from, () => to),
      )
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
}
