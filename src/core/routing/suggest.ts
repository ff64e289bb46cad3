// Which models a client may ask for instead of one that isn't to be had. Only exact names that its key may use, and only
// such as don't end at the target that has just failed.
import { type Caller, type Target, modelMatches } from '../directory.ts'
import type { RouteTable } from './route-table.ts'

/** Most models that are suggested. */
const SUGGESTIONS_MAX = 3
/** Most routes that are looked at, and most characters of a name: this runs where something went wrong already. */
const ROUTES_MAX = 500
const NAME_CHARS_MAX = 64

/**
 * Models for a request that wanted `model`, the likeliest first: those on targets of the same dialect as `failed` before
 * others, then by likeness of the name. None of them leads to a target among `failed`. Where nothing failed (the model
 * isn't known), only names that are alike.
 */
export function suggestModels(
  table: RouteTable,
  caller: Caller,
  model: string,
  failed: readonly Target[],
): readonly string[] {
  const dead = new Set(failed.map((target) => target.id))
  const wires = new Set(failed.map((target) => target.dialect))
  const found = new Map<string, { readonly isSame: boolean; readonly distance: number }>()
  for (const route of table.models(caller.tenantId).slice(0, ROUTES_MAX)) {
    const name = route.model
    const isOther = !name.endsWith('*') && name !== model && mayUse(caller, name) && kindOf(name) === kindOf(model)
    const targets = isOther ? table.targets(route) : []
    if (targets.length === 0 || targets.some((target) => dead.has(target.id))) continue
    const distance = distanceOf(model, name)
    if (dead.size === 0 && distance > Math.max(model.length, name.length) / 2) continue
    found.set(name, { isSame: targets.some((target) => wires.has(target.dialect)), distance })
  }
  return [...found]
    .toSorted(([, a], [, b]) => Number(b.isSame) - Number(a.isSame) || a.distance - b.distance)
    .slice(0, SUGGESTIONS_MAX)
    .map(([name]) => name)
}

function mayUse(caller: Caller, model: string): boolean {
  return caller.allowedModels.length === 0 || caller.allowedModels.some((pattern) => modelMatches(pattern, model))
}

/** What a model is for, as far as its name says: none stands in for one of another kind. */
function kindOf(model: string): string {
  return /embed|rerank|moderation|whisper|transcribe|tts|dall-e|image/.exec(model.toLowerCase())?.[0] ?? 'conversation'
}

/** How many letters have to be put in, taken out or changed (Levenshtein). */
function distanceOf(one: string, other: string): number {
  const a = one.toLowerCase().slice(0, NAME_CHARS_MAX)
  const b = other.toLowerCase().slice(0, NAME_CHARS_MAX)
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
