/** Processes with all that they started. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Signals one process, if it is still there. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Signals a process and all below it, those too that are started meanwhile. */
export function signalTree(root: number, name: NodeJS.Signals): number[] {
  const signalled = new Set<number>()
  for (let left = [root]; left.length > 0; left = tree(root).filter((pid) => !signalled.has(pid))) {
    for (const pid of left) signal(pid, name)
    for (const pid of left) signalled.add(pid)
  }
  return [...signalled]
}

/** A process and all below it. The group is not enough: PostgreSQL and Erlang give each child one of its own. */
export function tree(root: number): number[] {
  const children = Map.groupBy(processes(), ({ parent }) => parent)
  const pids = [root]
  for (const pid of pids) for (const child of children.get(pid) ?? []) pids.push(child.pid)
  return pids
}

function processes(): { pid: number; parent: number }[] {
  if (!existsSync('/proc/self/stat')) {
    const lines = execFileSync('ps', ['-A', '-o', 'state=,ppid=,pid='], { encoding: 'utf8' }).trim().split('\n')
    return lines.flatMap((line) => living(...(line.trim().split(/\s+/) as [string, string, string])))
  }
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      // The name before is in brackets and may hold anything.
      const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return living(state, parent, pid)
    } catch {
      return []
    }
  })
}

function living(state: string, parent: string, pid: string): { pid: number; parent: number }[] {
  return state.startsWith('Z') ? [] : [{ pid: Number(pid), parent: Number(parent) }]
}

/** Whether all of these processes have ended within the milliseconds. */
export async function gone(pids: readonly number[], deadlineMs: number): Promise<boolean> {
  const end = performance.now() + deadlineMs
  for (;;) {
    const alive = new Set(processes().map(({ pid }) => pid))
    if (!pids.some((pid) => alive.has(pid))) return true
    if (performance.now() > end) return false
    await sleep(5)
  }
}
