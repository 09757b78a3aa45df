import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { until } from '../_server.ts'

/** Stops the server while its worker runs a task; gives what it printed, and what it died by. */
async function stopped(timeoutMs: number): Promise<{ output: string; errors: string; signal: unknown }> {
  const program = fileURLToPath(new URL('./_shutdown.ts', import.meta.url))
  const child = spawn(process.execPath, [program, String(timeoutMs)])
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const exited = once(child, 'close')
  try {
    await until(() => output.includes('started'), 'the task to start')
    child.kill('SIGTERM')
    const [, signal] = await exited
    return { output: output.replace(/listening \d+\n/, ''), errors, signal }
  } finally {
    child.kill('SIGKILL')
  }
}

it('gracefulShutdown waits for what a worker runs, which takes nothing new', async () => {
  expect(await stopped(5000)).toEqual({ output: 'started\nfinished\n', errors: '', signal: 'SIGTERM' })
})

it('gracefulShutdown names what a worker did not finish in time', async () => {
  const { output, errors, signal } = await stopped(100)
  expect({ output, signal }).toEqual({ output: 'started\n', signal: 'SIGTERM' })
  expect(errors).toContain('slow')
})
