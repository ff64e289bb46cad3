// The workerd processes of this test, and what they take from the machine as the kernel counts it. Linux only.
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

/** Name and parent of a process; null when it has just ended. */
function statOf(pid: number): { readonly name: string; readonly parent: number } | null {
  try {
    const found = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    return found === null ? null : { name: found[1] ?? '', parent: Number(found[2]) }
  } catch {
    return null
  }
}
