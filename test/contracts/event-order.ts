// The legal order of a reply's events, as a checker: one reply-start first; parts dense, started once, filled while open,
// ended once; a finish per choice; usage at most once; nothing after a failure.
import type { NeutralEvent } from '../../src/core/neutral.ts'

/** What is wrong with the order; null for nothing. */
export function orderObjection(events: readonly NeutralEvent[]): string | null {
  const open = new Map<string, boolean>()
  const parts = new Map<number, number>()
  const finished = new Set<number>()
  let usages = 0
  for (const [at, event] of events.entries()) {
    const isLast = at === events.length - 1
    if (event.type === 'failure') return isLast ? null : 'something follows the failure'
    if ((at === 0) !== (event.type === 'reply-start') && event.type !== 'usage') return `${event.type} at place ${at}`
    if (event.type === 'usage') usages += 1
    if (event.type === 'reply-start' || event.type === 'usage') continue
    if (finished.has(event.choice)) return `${event.type} after the finish of choice ${event.choice}`
    if (event.type === 'finish') {
      finished.add(event.choice)
      continue
    }
    if (event.type === 'logprobs') continue
    const objection = partObjection(event, open, parts)
    if (objection !== null) return objection
  }
  if (usages > 1) return 'usage more than once'
  if (finished.size === 0) return 'neither finish nor failure'
  return [...open.values()].some((isOpen) => isOpen) ? 'a part is still open at the end' : null
}

type PartEvent = Extract<NeutralEvent, { readonly part: number }>

function partObjection(event: PartEvent, open: Map<string, boolean>, parts: Map<number, number>): string | null {
  const key = `${event.choice}.${event.part}`
  if (event.type === 'part-start') {
    const next = parts.get(event.choice) ?? 0
    parts.set(event.choice, next + 1)
    open.set(key, true)
    return event.part === next ? null : `part ${key} where ${next} was due`
  }
  if (open.get(key) !== true) return `${event.type} for part ${key}, which is not open`
  if (event.type === 'part-end') open.set(key, false)
  if (event.type === 'part-delta' && event.text === '') return 'an empty delta'
  return null
}
