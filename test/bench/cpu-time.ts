// CPU time of a process and everything it has started, from Linux's scheduler: in nanoseconds, where `ps` has
// hundredths of a second. Elsewhere there is none to be had, and the bench says so.
import { readdirSync, readFileSync } from 'node:fs'

export const hasCpuTime = process.platform === 'linux'

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return '' // The process has ended.
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** The process and its descendants as they are now. */
export function processTree(root: number): number[] {
  if (!hasCpuTime) return [root]
  const children = new Map<number, number[]>()
  for (const name of list('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const stat = read(`/proc/${name}/stat`)
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const found = [root]
  for (const pid of found) found.push(...(children.get(pid) ?? []))
  return found
}

/** Seconds that all threads of these processes have run so far; NaN where that is not known. */
export function cpuSeconds(pids: readonly number[]): number {
  if (!hasCpuTime) return Number.NaN
  let nanoseconds = 0
  for (const pid of pids) {
    for (const thread of list(`/proc/${pid}/task`)) {
      nanoseconds += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0] ?? 0)
    }
  }
  return nanoseconds / 1e9
}
