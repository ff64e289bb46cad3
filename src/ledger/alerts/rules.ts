// What is beyond the usual: bounds for alerts that are found in the ledger rather than told by a limiter. Everybody's may be
// set, and a tenant's own in their place.
import { type Json, type JsonObject, isJsonObject, parseJson } from '../../core/json.ts'

/** Bounds; null for no alert of that kind. */
export interface AlertRules {
  /** Of the calls of a key, a model or a provider in five minutes, so many per cent fail, if there are that many. */
  readonly error_rate: { readonly percent: number; readonly min_calls: number } | null
  /** Calls of a provider have done nothing but fail for so long. Concerns everybody: a tenant's own is not looked at. */
  readonly provider_down: { readonly minutes: number } | null
  /** A model was used that has no price. */
  readonly unknown_price: Readonly<Record<string, never>> | null
  /** At this pace a budget of the month is used by so many per cent. */
  readonly forecast: { readonly percent: number } | null
  /** An hour of a key costs so many times what the same hour of other weeks did, and at least so much. */
  readonly anomaly: { readonly factor: number; readonly min_nano_usd: number } | null
}

/** Where nothing else is set. */
export const USUAL_RULES: AlertRules = {
  error_rate: { percent: 50, min_calls: 20 },
  provider_down: { minutes: 5 },
  unknown_price: {},
  forecast: { percent: 100 },
  anomaly: { factor: 5, min_nano_usd: 1_000_000_000 },
}

/** The row of everybody's rules. */
export const EVERYBODY = ''

/** Rules as they are kept: of `''`, or of a tenant by its id. */
export interface RulesRow {
  readonly id: string
  /** JSON of those that are set. */
  readonly rules: string
  readonly created_at_ms: number
}

/** The rules that hold for a tenant, or for what concerns everybody. */
export class RuleBook {
  readonly #everybody: AlertRules
  readonly #own: ReadonlyMap<string, AlertRules>

  constructor(rows: readonly RulesRow[]) {
    const shared = rows.find(({ id }) => id === EVERYBODY)
    const everybody = shared === undefined ? USUAL_RULES : rulesOver(USUAL_RULES, shared.rules)
    this.#everybody = everybody
    this.#own = new Map(rows.map(({ id, rules }) => [id, rulesOver(everybody, rules)]))
  }

  of(tenantId: string): AlertRules {
    return this.#own.get(tenantId) ?? this.#everybody
  }
}

/** All rules that are set. */
export async function readRuleBook(db: D1Database): Promise<RuleBook> {
  return new RuleBook((await db.prepare(`SELECT * FROM alert_rules`).all<RulesRow>()).results)
}

/** What is set in `text`, JSON, in place of the `usual`. What can't be read is as usual. */
export function rulesOver(usual: AlertRules, text: string): AlertRules {
  const set = parseJson(text)
  if (!isJsonObject(set)) return usual
  return {
    error_rate: over(usual.error_rate, set.error_rate, (own) => {
      return bothOf(own, 'percent', 'min_calls', (percent, min_calls) => ({ percent, min_calls }))
    }),
    provider_down: over(usual.provider_down, set.provider_down, ({ minutes }) =>
      typeof minutes === 'number' ? { minutes } : null,
    ),
    unknown_price: over(usual.unknown_price, set.unknown_price, () => ({})),
    forecast: over(usual.forecast, set.forecast, ({ percent }) => (typeof percent === 'number' ? { percent } : null)),
    anomaly: over(usual.anomaly, set.anomaly, (own) => {
      return bothOf(own, 'factor', 'min_nano_usd', (factor, min_nano_usd) => ({ factor, min_nano_usd }))
    }),
  }
}

function over<Rule>(usual: Rule | null, set: Json | undefined, read: (set: JsonObject) => Rule | null): Rule | null {
  if (set === null) return null
  return isJsonObject(set) ? (read(set) ?? usual) : usual
}

function bothOf<Rule>(own: JsonObject, a: string, b: string, make: (a: number, b: number) => Rule): Rule | null {
  const [first, second] = [own[a], own[b]]
  return typeof first === 'number' && typeof second === 'number' ? make(first, second) : null
}
