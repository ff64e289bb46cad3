// How much of its tightest budget a key had used when this isolate last heard, for rules that ask. Only what admissions say
// anyway is remembered: nobody is asked for it.
import type { Services } from '../../ports.ts'
import type { ToldStandings } from '../../core/limits/standing.ts'

interface Heard {
  readonly usedPercent: number
  readonly resetsAtMs: number
}

/** Keys and models that are remembered. */
const HEARD_MAX = 10_000

/** By the isolate's own memory, which mirrors share. */
const memories = new WeakMap<Services['breakers'], Map<string, Heard>>()

/** Whose budgets, and for which model: some are for certain models alone. */
interface Subject {
  readonly keyId: string
  readonly model: string
}

/** Notes what an admission said. */
export function noteBudget({ breakers }: Services, subject: Subject, standings: ToldStandings | null): void {
  const budget = standings?.budget
  if (budget === undefined) return
  const heard = memories.get(breakers) ?? new Map<string, Heard>()
  memories.set(breakers, heard)
  const { limitNanoUsd, leftNanoUsd, resetsAtMs } = budget
  if (heard.size >= HEARD_MAX) heard.clear()
  const usedPercent = limitNanoUsd === 0 ? 100 : 100 * (1 - leftNanoUsd / limitNanoUsd)
  heard.set(nameOf(subject), { usedPercent, resetsAtMs })
}

/** Per cent of the tightest budget that is used: none of it once the window that was heard of is over. Null where this
 *  isolate hasn't heard of any. */
export function budgetUsed({ breakers, nowMs }: Services, subject: Subject): number | null {
  const heard = memories.get(breakers)?.get(nameOf(subject))
  if (heard === undefined) return null
  return nowMs() >= heard.resetsAtMs ? 0 : heard.usedPercent
}

function nameOf({ keyId, model }: Subject): string {
  return `${keyId}\n${model}`
}
