// What a request would be held to, as its explanation tells: each limit with what is left and what is needed of it.
import { formatDuration } from '../parts/format.ts'

interface ExplainedLimit {
  readonly scope: string
  readonly model: string | null
  readonly kind: string
  readonly unit?: string
  readonly period?: string | { readonly every_days: number }
  readonly remaining?: number
  readonly remaining_usd?: string
  readonly limit?: number
  readonly limit_usd?: string
  readonly needs: number | string
  readonly fits: boolean
}

/** `limits` of `POST /v1/route/explain` */
export interface ExplainedLimits {
  /** Null where nobody could say. */
  readonly would_admit: boolean | null
  readonly in_hand?: { readonly is_enough: boolean; readonly expires_in_ms: number } | null
  readonly limits: readonly ExplainedLimit[]
}

/** `limits` of one of its candidates: those of the target itself. */
export type CandidateLimits = Pick<ExplainedLimits, 'would_admit' | 'limits'>

export function LimitsExplained({ limits }: { limits: ExplainedLimits }) {
  const { would_admit: isAdmitted, in_hand: inHand = null, limits: rows } = limits
  const isFine = isAdmitted === true
  return (
    <>
      <h3>Limits</h3>
      <p>
        <span class={isFine ? 'badge good' : 'badge bad'}>{verdict(isAdmitted)}</span>{' '}
        <span class="context">
          {rows.length === 0 && isFine && 'No limit stands in its way. '}
          {inHand?.is_enough === true && `In hand for ${formatDuration(inHand.expires_in_ms)}: nobody has to be asked.`}
        </span>
      </p>
      <Rows rows={rows} />
    </>
  )
}

/** What one candidate would be held to beyond that: nothing is shown where that makes no difference. */
export function OwnLimits({ limits }: { limits: CandidateLimits | null }) {
  if (limits === null) return null
  const { would_admit: isAdmitted, limits: rows } = limits
  return (
    <>
      {isAdmitted === false && <span class="badge bad">would be refused</span>}
      {rows.length > 0 && <Rows rows={rows} />}
    </>
  )
}

function Rows({ rows }: { rows: readonly ExplainedLimit[] }) {
  return (
    <ul class="excluded">
      {rows.map((row, at) => (
        <li key={at}>
          <span class="name">{nameOf(row)}</span>{' '}
          <span class={row.fits ? 'badge good' : 'badge bad'}>{row.fits ? 'has room' : 'is in the way'}</span>{' '}
          <span class="context">{roomText(row)}</span>
        </li>
      ))}
    </ul>
  )
}

function verdict(isAdmitted: boolean | null): string {
  if (isAdmitted === null) return 'the limiter could not be asked'
  return isAdmitted ? 'would be admitted' : 'would be refused'
}

function nameOf({ scope, model, kind, unit, period }: ExplainedLimit): string {
  const what = kind === 'rate' ? `${(unit ?? '').replace('_', ' ')} a minute` : kind
  const window =
    period === undefined ? '' : typeof period === 'string' ? ` a ${period}` : ` of ${period.every_days} days`
  return `${scope}: ${what}${window}${model === null ? '' : ` of ${model}`}`
}

function roomText({ remaining, remaining_usd: usd, limit, limit_usd: limitUsd, needs }: ExplainedLimit): string {
  if (usd !== undefined) return `$${usd} of $${limitUsd ?? ''} left, needs $${needs}`
  return `${remaining ?? 0} of ${limit ?? 0} left, needs ${needs}`
}
