// Processes as the kernel shows them: which are the workerd of this test, what they take, whether they still run.
import { readFileSync, readdirSync } from 'node:fs'

const PAGE_KB = 4

/** Process ids of the workerd children of `parent`; none where the kernel doesn't show processes. */
export function workerdPids(parent = process.pid): readonly number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const stat = statOf(pid)
      return stat !== null && stat.parent === parent && stat.name.includes('workerd')
    })
}

/** Resident memory of these processes together, in MB. */
export function residentMb(pids: readonly number[]): number {
  const pages = pids.map((pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]))
  return pages.reduce((sum, count) => sum + count, 0) * (PAGE_KB / 1024)
}

/**
 * Whether a process holds anything yet: a file, a port. One that has ended with its last thread holds nothing, though on Linux
 * it is listed until its parent looks after it; for an orphan that takes its time.
 */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    if (process.platform !== 'linux') return true
    return statOf(pid)?.state !== 'Z' || readdirSync(`/proc/${pid}/task`).length > 1
  } catch {
    return false
  }
}

interface Stat {
  readonly name: string
  /** As in proc(5). */
  readonly state: string
  readonly parent: number
}

/** What the kernel says of a process; null when it has just ended. */
function statOf(pid: number): Stat | null {
  try {
    const found = /^\d+ \((.*)\) (\S) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    return found === null ? null : { name: found[1] ?? '', state: found[2] ?? '', parent: Number(found[3]) }
  } catch {
    return null
  }
}
