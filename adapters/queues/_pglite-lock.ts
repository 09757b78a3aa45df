/**
 * Keeps a second process out of a directory: two of them would lose each other's rows, without a word.
 *
 * @module
 */
import { QueueError } from '../../src/errors.ts'

interface FilesLike {
  mkdir(path: string, options: { recursive: boolean }): Promise<unknown>
  readdir(path: string): Promise<string[]>
  readFile(path: string, encoding: 'utf8'): Promise<string>
  writeFile(path: string, text: string, options?: { flag: 'wx' }): Promise<void>
  realpath(path: string): Promise<string>
  unlink(path: string): Promise<void>
}

interface ProcessLike {
  readonly pid: number
  kill(pid: number, signal: 0): void
  getBuiltinModule(name: 'node:fs'): { readonly promises: FilesLike }
}

const { process } = globalThis as unknown as { process: ProcessLike }

const NAME = 'background-tasks.lock'
/** Within what a process that met another one tries again; at random, or they would meet for ever. */
const RACE_MS = 100
/** How long one may be in the way that does not say whether it gets the lock, such as one that was stopped. */
const PATIENCE_MS = 10_000

/**
 * Locks a directory, and makes it where there is none. It has to be on a disk of this machine.
 *
 * @returns what gives it back
 * @throws {QueueError} it is locked
 */
export async function lock(directory: string): Promise<() => Promise<void>> {
  const files = process.getBuiltinModule('node:fs').promises
  await files.mkdir(directory, { recursive: true })
  const folder = await files.realpath(directory)
  const path = `${folder}/${NAME}`
  const { pid } = process
  const start = await startOf(files, pid)
  const mine = `${pid} ${start}`
  const refuse = (who: string, file = path): never => {
    throw new QueueError(
      `Cannot open the directory '${directory}' as ${who} has it open: PGlite has one process, and that one queue. ` +
        `Share the queue, or use PostgreSQL. If it is not so, delete ${file}`,
    )
  }
  const check = async (): Promise<void> => {
    const other = await read(files, path)
    if (other === mine) refuse('another queue of this process')
    const [otherPid, otherStart] = other.split(' ')
    if (await isAlive(files, otherPid, otherStart)) refuse(`process ${otherPid}`)
  }
  const take = async (): Promise<void> => {
    // Not before: the lock of a dead process may be a living one's by now.
    await check()
    await files.writeFile(path, mine)
  }
  for (const end = Date.now() + PATIENCE_MS; ; await pause()) {
    await check()
    const rival = await alone(files, folder, `${NAME}.${pid}.${start}.`, take)
    if (rival === undefined) break
    if (Date.now() > end) refuse(`process ${rival.split('.')[2]}`, `${folder}/${rival}`)
  }
  let isMine = true
  return async () => {
    // Once, as it may be somebody else's afterwards.
    if (isMine) await remove(files, path)
    isMine = false
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.random() * RACE_MS))

/**
 * Does something that nobody else does meanwhile. Each makes a file of its own first, then looks for those of others, and does
 * nothing where it finds one of a living process: whoever made his file later finds the other, so that two never do it at
 * once, and none may. No name comes back, so that what a dead process has left can be deleted at any time.
 *
 * @returns the file that was in the way, if it was not done
 */
async function alone(
  files: FilesLike,
  folder: string,
  prefix: string,
  work: () => Promise<void>,
): Promise<string | undefined> {
  const own = `${prefix}${crypto.randomUUID()}`
  await files.writeFile(`${folder}/${own}`, '', { flag: 'wx' })
  try {
    for (const name of await files.readdir(folder)) {
      if (name === own || !name.startsWith(`${NAME}.`)) continue
      // All is in the name, as a file is empty at first.
      const [pid, start] = name.slice(NAME.length + 1).split('.')
      if (await isAlive(files, pid, start)) return name
      await remove(files, `${folder}/${name}`)
    }
    await work()
    return undefined
  } finally {
    await remove(files, `${folder}/${own}`)
  }
}

/** Empty where there is none, or whoever made it died over it. */
async function read(files: FilesLike, path: string): Promise<string> {
  try {
    return await files.readFile(path, 'utf8')
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return ''
    throw error
  }
}

const remove = (files: FilesLike, path: string): Promise<void> => files.unlink(path).catch(() => {})

async function isAlive(files: FilesLike, pid = '', start = ''): Promise<boolean> {
  try {
    process.kill(Number.parseInt(pid, 10), 0)
  } catch (error) {
    // Otherwise it is somebody else's.
    if ((error as { code?: string }).code !== 'EPERM') return false
  }
  // Numbers come back: in a container that starts again every time. Where it cannot be asked it counts as the same.
  const current = await startOf(files, Number(pid))
  return current === '' || current === start
}

/** When a process started, as Linux counts; elsewhere nothing. */
async function startOf(files: FilesLike, pid: number): Promise<string> {
  const stat = await files.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name before is in brackets and may hold anything.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
