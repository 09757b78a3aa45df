/**
 * Keeps a second process out of a directory: two of them would lose each other's rows, without a word.
 *
 * @module
 */
import { QueueError } from '../../src/errors.ts'

interface FilesLike {
  mkdir(path: string, options: { recursive: boolean }): Promise<unknown>
  readFile(path: string, encoding: 'utf8'): Promise<string>
  writeFile(path: string, text: string, options: { flag: 'wx' }): Promise<void>
  realpath(path: string): Promise<string>
  unlink(path: string): Promise<void>
}

interface ProcessLike {
  readonly pid: number
  kill(pid: number, signal: 0): void
  getBuiltinModule(name: 'node:fs'): { readonly promises: FilesLike }
}

const { process } = globalThis as unknown as { process: ProcessLike }

/** How long another process may take between two steps here. */
const RACE_MS = 200

/**
 * Locks a directory, and makes it where there is none.
 *
 * @returns what gives it back
 * @throws {QueueError} it is locked
 */
export async function lock(directory: string): Promise<() => Promise<void>> {
  const files = process.getBuiltinModule('node:fs').promises
  await files.mkdir(directory, { recursive: true })
  const path = `${await files.realpath(directory)}/background-tasks.lock`
  const { pid } = process
  const mine = `${pid} ${await startOf(files, pid)}`
  const refuse = (who: string): never => {
    throw new QueueError(
      `Cannot open the directory '${directory}' as ${who} has it open: PGlite has one process, and that one queue. ` +
        `Share the queue, or use PostgreSQL. If it is not so, delete ${path}`,
    )
  }
  while (!(await wrote(files, path, mine))) {
    const other = await lockedBy(files, path)
    // It went away meanwhile.
    if (other === undefined) continue
    if (other === mine) refuse('another queue of this process')
    if (await isAlive(files, other)) refuse(`process ${Number.parseInt(other, 10)}`)
    await files.unlink(path).catch(() => {})
    if (!(await wrote(files, path, mine))) continue
    // Another process may have seen the same dead one, and taken this lock for it.
    await pause()
    if ((await lockedBy(files, path)) === mine) break
    refuse('another process')
  }
  return () => files.unlink(path).catch(() => {})
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, RACE_MS))

/** False where there is a lock. */
async function wrote(files: FilesLike, path: string, text: string): Promise<boolean> {
  try {
    await files.writeFile(path, text, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') return false
    throw error
  }
}

async function lockedBy(files: FilesLike, path: string): Promise<string | undefined> {
  const read = (): Promise<string | undefined> => files.readFile(path, 'utf8').catch(() => undefined)
  const text = await read()
  if (text !== '') return text
  // It is there, but not yet written.
  await pause()
  return read()
}

async function isAlive(files: FilesLike, other: string): Promise<boolean> {
  const [pid = '', start = ''] = other.split(' ')
  try {
    process.kill(Number.parseInt(pid, 10), 0)
  } catch (error) {
    // Otherwise it is somebody else's.
    if ((error as { code?: string }).code !== 'EPERM') return false
  }
  // Numbers come back: in a container that starts again every time.
  return start === (await startOf(files, Number(pid)))
}

/** When a process started, as Linux counts; elsewhere nothing. */
async function startOf(files: FilesLike, pid: number): Promise<string> {
  const stat = await files.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name before is in brackets and may hold anything.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
