/** An app of a framework that is built: its folder here, with a recipe of the README in it. */
import { once } from 'node:events'
import { cp, mkdir } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../_server.ts'
import { type Booted, Example, expectTestedVersions, order } from '../examples/_example.ts'
import { recipe } from './_recipe.ts'

/** As in production: vitest says otherwise, and frameworks hear it. */
const ENV = {
  NODE_ENV: 'production',
  VITEST: '',
  TEST: '',
  CI: '',
  HOST: '127.0.0.1',
  ASTRO_TELEMETRY_DISABLED: '1',
  NEXT_TELEMETRY_DISABLED: '1',
}

/** How an app is built and started. */
interface Build {
  readonly build: string
  readonly env?: Record<string, string>
  readonly start: string
  /** @default 'tsconfig.json' */
  readonly tsconfig?: string
  /** Done to the app before it is built. */
  readonly prepare?: (app: Example) => Promise<void>
}

/**
 * What every recipe of such a framework has to do.
 *
 * @param folder of the app, here
 * @param heading of the recipe
 * @returns starts the server that was built
 */
export function testBuiltRecipe(folder: string, heading: string, how: Build): () => Promise<Booted> {
  let app: Example
  const boot = (): Promise<Booted> => serve(app, how.start)

  beforeAll(async () => {
    app = await appOf(folder, heading)
    await how.prepare?.(app)
    await build(app, how.build, how.env)
  }, 120_000)
  afterAll(() => app?.[Symbol.asyncDispose]())

  test(`the recipe of ${heading} type-checks`, async () => {
    await app.run('tsc', '-p', how.tsconfig ?? 'tsconfig.json')
  })

  test(`the recipe of ${heading} has answered before its task burns CPU`, async () => {
    await using server = await boot()
    await expectAnswerBeforeTask(server)
  })

  test(`the recipe of ${heading} discards the tasks of a route that throws`, async () => {
    await using server = await boot()
    await expectDiscarded(server, '/broken', 500)
  })

  test(`the recipe of ${heading} runs the task once of a client that leaves in the middle`, async () => {
    await using server = await boot()
    await expectTaskOfWhoLeaves(server)
  })

  test(`the recipe of ${heading} runs the task once of a client that leaves before it is answered`, async () => {
    await using server = await boot()
    await expectTaskOfWhoLeavesEarly(server)
  })
  return boot
}

/** Copies the folder of a framework, with the recipe of a heading and what is installed. */
async function appOf(folder: string, heading: string): Promise<Example> {
  const app = await Example.empty()
  await cp(join(import.meta.dirname, folder), app.folder, { recursive: true })
  await cp(join(import.meta.dirname, '_work.ts'), join(app.folder, 'work.ts'))
  const { file, code } = recipe(heading)
  await mkdir(dirname(join(app.folder, file)), { recursive: true })
  await app.write(file, code)
  await expectTestedVersions(await app.install())
  return app
}

/** Runs a build to its end; what it printed is the reason where it fails. */
async function build(app: Example, command: string, env: Record<string, string> = {}): Promise<void> {
  await using building = app.start(command, { ...ENV, ...env })
  await until(() => building.isOver(), `${command} to end`, 100_000)
  const code = await building.terminate()
  if (code !== 0) throw new Error(`${command} failed:\n${building.log.join('\n')}`)
}

/** Starts what was built. */
async function serve(app: Example, command: string): Promise<Booted> {
  const server = await app.boot(command, ENV)
  try {
    // The first request of a process loads half of it.
    await fetch(`${server.url}/burn`).then((response) => response.bytes())
    await server.line('burnt')
    return server
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

/** The route `burn`: all of a response is there long before its task lets go of the CPU. */
async function expectAnswerBeforeTask(server: Booted): Promise<void> {
  const asked = performance.now()
  const { status, text } = await server.send('/burn')
  const ms = performance.now() - asked
  expect([status, text.length]).toEqual([200, 20_000])
  await until(() => order(server.log, 'burnt').length === 2, 'the task to end')
  expect(order(server.log, 'burnt', 'answered')).toEqual(['burnt', 'answered', 'burnt'])
  expect(ms).toBeLessThan(300)
}

/** The route `broken`, which fails: its task does not run, though there is time. */
export async function expectDiscarded(server: Booted, path: string, status: number): Promise<void> {
  expect((await server.send(path)).status).toBe(status)
  await server.send('/burn')
  await until(() => order(server.log, 'burnt').length === 2, 'a later task to end')
  expect(order(server.log, 'task of')).toEqual([])
}

/** The route `waiting`: the task of a client that leaves in the middle of its body runs once. */
async function expectTaskOfWhoLeaves(server: Booted): Promise<void> {
  const request = get(`${server.url}/waiting`)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  await once(response, 'data')
  expect(order(server.log, 'task of /waiting')).toEqual([])
  response.on('error', () => {})
  request.destroy()
  await expectTaskOnce(server)
}

/** The same where it leaves before anything was answered. */
async function expectTaskOfWhoLeavesEarly(server: Booted): Promise<void> {
  const request = get(`${server.url}/waiting?long`).on('error', () => {})
  await server.line('waiting')
  request.destroy()
  await expectTaskOnce(server)
}

async function expectTaskOnce(server: Booted): Promise<void> {
  await server.line('task of /waiting')
  await server.send('/burn')
  await until(() => order(server.log, 'burnt').length === 2, 'a later task to end')
  expect(order(server.log, 'task of /waiting')).toHaveLength(1)
}
