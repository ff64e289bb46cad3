// Structured log lines, at most one per kind in a window: a storm is a line with a count, not a flood. Never a prompt, a
// key or a credential.
import type { Log } from '../ports.ts'

const WINDOW_MS = 60_000
/** Kinds remembered at once. */
const KINDS_MAX = 1_000

interface Seen {
  readonly sinceMs: number
  suppressed: number
}

/** A log that writes the first line of a kind in each window, with the number of those left out before. */
export function windowedLog(nowMs: () => number, write: (line: string) => void): Log {
  const seen = new Map<string, Seen>()
  return {
    warn(event, facts) {
      const kind = `${event} ${String(facts['target'] ?? facts['tenant'] ?? facts['key'] ?? '')}`
      const now = nowMs()
      const known = seen.get(kind)
      if (known !== undefined && now - known.sinceMs < WINDOW_MS) {
        known.suppressed += 1
        return
      }
      if (seen.size >= KINDS_MAX) seen.clear()
      seen.set(kind, { sinceMs: now, suppressed: 0 })
      write(JSON.stringify({ level: 'warn', event, ...facts, suppressed: known?.suppressed ?? 0 }))
    },
  }
}
