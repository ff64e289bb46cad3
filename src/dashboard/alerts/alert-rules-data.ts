// What the admin API says of alert rules, how they read, and the form they are written in. Pure, but for reading them.
import type { AdminApi } from '../api.ts'

/** Null for no alert of that kind. */
export interface ApiAlertRules {
  readonly error_rate: { readonly percent: number; readonly min_calls: number } | null
  readonly provider_down: { readonly minutes: number } | null
  readonly unknown_price: boolean
  readonly forecast: { readonly percent: number } | null
  readonly anomaly: { readonly factor: number; readonly min_usd: string } | null
}

/** `GET /admin/alert-rules` */
export interface ApiRuleSets {
  /** Everybody's; null where the caller sees only a tenant's. */
  readonly rules: ApiAlertRules | null
  /** Of tenants with rules of their own. */
  readonly tenants: readonly { readonly tenant_id: string; readonly rules: ApiAlertRules }[]
}

/** The path of rules in the API: everybody's, or a tenant's. */
export function rulesPath(owner: string | null): string {
  return owner === null ? '/admin/alert-rules' : `/admin/alert-rules/${encodeURIComponent(owner)}`
}

interface Asked {
  readonly maySeeAll: boolean
  /** A tenant whose rules the caller may see, where they may not see all. */
  readonly own: string | null
}

export async function readRuleSets(
  api: AdminApi,
  { maySeeAll, own }: Asked,
  signal: AbortSignal,
): Promise<ApiRuleSets> {
  if (maySeeAll) return api.read<ApiRuleSets>(rulesPath(null), ['tenants'], signal)
  if (own === null) return { rules: null, tenants: [] }
  const { rules } = await api.read<{ readonly rules: ApiAlertRules }>(rulesPath(own), [], signal)
  return { rules: null, tenants: [{ tenant_id: own, rules }] }
}

export interface RuleSentence {
  readonly title: string
  readonly text: string
  readonly isOn: boolean
}

/** Each kind of alert, and when it comes. Whether a provider is down concerns everybody, and no tenant alone. */
export function ruleSentences(rules: ApiAlertRules, owner: string | null): readonly RuleSentence[] {
  const { error_rate: errors, provider_down: down, unknown_price: unpriced, forecast, anomaly } = rules
  const sentence = (title: string, text: string | null): RuleSentence => {
    return { title, text: text ?? 'no alert', isOn: text !== null }
  }
  return [
    sentence(
      'Many errors',
      errors &&
        `${errors.percent} % of the calls of a key, a model or a provider fail within five minutes, of at least ${errors.min_calls}`,
    ),
    ...(owner === null
      ? [sentence('Provider down', down && `its calls have done nothing but fail for ${minutesText(down.minutes)}`)]
      : []),
    sentence('Unknown price', unpriced ? 'a model is used whose price nobody knows' : null),
    sentence('Forecast', forecast && `at this pace a month’s budget will be used to ${forecast.percent} %`),
    sentence(
      'Unusual spend',
      anomaly &&
        `an hour of a key costs ${anomaly.factor} times what that hour did in other weeks, and at least $${anomaly.min_usd}`,
    ),
  ]
}

function minutesText(minutes: number): string {
  return minutes === 1 ? 'a minute' : `${minutes} minutes`
}

/** Rules as they are typed. */
export interface RulesDraft {
  readonly on: Readonly<Record<keyof ApiAlertRules, boolean>>
  readonly errorPercent: string
  readonly minCalls: string
  readonly minutes: string
  readonly forecastPercent: string
  readonly factor: string
  readonly minUsd: string
}

export function draftOfRules(rules: ApiAlertRules): RulesDraft {
  const { error_rate: errors, provider_down: down, unknown_price: unpriced, forecast, anomaly } = rules
  return {
    on: {
      error_rate: errors !== null,
      provider_down: down !== null,
      unknown_price: unpriced,
      forecast: forecast !== null,
      anomaly: anomaly !== null,
    },
    errorPercent: String(errors?.percent ?? 50),
    minCalls: String(errors?.min_calls ?? 20),
    minutes: String(down?.minutes ?? 5),
    forecastPercent: String(forecast?.percent ?? 100),
    factor: String(anomaly?.factor ?? 5),
    minUsd: anomaly?.min_usd ?? '1',
  }
}

/** What the API is sent; what isn't a number stays text, and the API says what is allowed. A tenant has no say in whether a
 *  provider is down. */
export function writeRules(draft: RulesDraft, owner: string | null): object {
  const { on } = draft
  return {
    error_rate: on.error_rate ? { percent: numberOf(draft.errorPercent), min_calls: numberOf(draft.minCalls) } : null,
    ...(owner === null ? { provider_down: on.provider_down ? { minutes: numberOf(draft.minutes) } : null } : {}),
    unknown_price: on.unknown_price,
    forecast: on.forecast ? { percent: numberOf(draft.forecastPercent) } : null,
    anomaly: on.anomaly ? { factor: numberOf(draft.factor), min_usd: draft.minUsd.trim() } : null,
  }
}

function numberOf(text: string): number | string {
  return /^\d{1,9}$/.test(text.trim()) ? Number(text.trim()) : text
}
