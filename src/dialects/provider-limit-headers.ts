// Providers' rate-limit headers. Each family has one header that tells it from the others, so that an answer without any
// costs a single look.
import type { RateUnit } from '../core/failure.ts'
import type { ProviderLimit } from '../core/health/provider-limits.ts'
import { readWait } from './failures/retry-hint.ts'

/** A header by its name in lower case. */
export type ReadHeader = (name: string) => string | null

/** A family of headers. */
export type HeaderFamily = 'openai' | 'minute' | 'by-size' | 'anthropic' | 'ietf' | 'ietf-apart'

/** The header without which an answer has none of its family. */
const MARKS: Readonly<Record<HeaderFamily, string>> = {
  openai: 'x-ratelimit-remaining-requests',
  minute: 'x-ratelimit-remaining-tokens-minute',
  'by-size': 'x-ratelimitbysize-remaining-minute',
  anthropic: 'anthropic-ratelimit-requests-remaining',
  ietf: 'ratelimit',
  'ietf-apart': 'ratelimit-remaining',
}
const FAMILIES = ['openai', 'anthropic', 'minute', 'by-size', 'ietf', 'ietf-apart'] as const satisfies HeaderFamily[]

/** What isn't said to end later ends after a minute, the window of nearly all such limits. */
const WINDOW_MS = 60_000
/** Nobody plans further ahead: monthly limits and slips of the pen. */
const WINDOW_MS_MAX = 86_400_000
/** Which family an answer's headers belong to; null for none. */
export function familyOf(read: ReadHeader): HeaderFamily | null {
  return FAMILIES.find((family) => read(MARKS[family]) !== null) ?? null
}

/** The limits that an answer tells of; null, after one look, where it has no header of that family. */
export function readProviderLimits(
  family: HeaderFamily,
  read: ReadHeader,
  nowMs: number,
): readonly ProviderLimit[] | null {
  const mark = read(MARKS[family])
  return mark === null ? null : READERS[family](read, nowMs, mark)
}

type Reader = (read: ReadHeader, nowMs: number, mark: string) => readonly ProviderLimit[]

const READERS: Readonly<Record<HeaderFamily, Reader>> = {
  // https://platform.openai.com/docs/guides/rate-limits, https://console.groq.com/docs/rate-limits; Azure leaves the
  // resets out or gives them in seconds.
  openai: (read, nowMs) =>
    given(nowMs, [
      openai(read, 'requests', 'requests', nowMs),
      openai(read, 'tokens', 'tokens', nowMs),
      openai(read, 'project-requests', 'requests', nowMs),
      openai(read, 'project-tokens', 'tokens', nowMs),
    ]),
  // https://docs.anthropic.com/en/api/rate-limits.
  anthropic: (read, nowMs) =>
    given(nowMs, [
      anthropic(read, 'requests', 'requests', nowMs),
      anthropic(read, 'tokens', 'tokens', nowMs),
      anthropic(read, 'input-tokens', 'inputTokens', nowMs),
      anthropic(read, 'output-tokens', 'outputTokens', nowMs),
    ]),
  // Mistral says no resets, Cerebras says them in seconds: https://inference-docs.cerebras.ai/support/rate-limits.
  minute: (read, nowMs) =>
    given(nowMs, [
      openai(read, 'tokens-minute', 'tokens', nowMs),
      openai(read, 'req-minute', 'requests', nowMs),
      openai(read, 'requests-day', 'requests', nowMs),
    ]),
  // Mistral's earlier form.
  'by-size': (read, nowMs) =>
    given(nowMs, [
      {
        unit: 'tokens',
        left: numberIn(read('x-ratelimitbysize-remaining-minute')),
        size: numberIn(read('x-ratelimitbysize-limit-minute')),
        resetsAtMs: after(read('ratelimitbysize-reset'), nowMs),
      },
      {
        unit: 'tokens',
        left: numberIn(read('x-ratelimitbysize-remaining-month')),
        size: numberIn(read('x-ratelimitbysize-limit-month')),
        resetsAtMs: nowMs + WINDOW_MS_MAX,
        isGradual: false,
      },
    ]),
  ietf: (read, nowMs, mark) => given(nowMs, ietf(mark, read('ratelimit-policy') ?? '', nowMs)),
  'ietf-apart': (read, nowMs, mark) =>
    given(nowMs, [
      {
        unit: 'requests',
        left: numberIn(mark),
        size: numberIn(read('ratelimit-limit')),
        resetsAtMs: after(read('ratelimit-reset'), nowMs),
        isGradual: false,
      },
    ]),
}

/** A limit as far as the headers say. */
interface Told {
  readonly unit: RateUnit
  readonly left: number | null
  readonly size: number | null
  /** Null where they don't. */
  readonly resetsAtMs: number | null
  readonly isGradual?: false
}

/** Those of which something is said. */
function given(nowMs: number, all: readonly Told[]): readonly ProviderLimit[] {
  return all.flatMap(({ unit, left, size, resetsAtMs, isGradual }) => {
    if (left === null) return []
    const endMs = Math.min(resetsAtMs ?? nowMs + WINDOW_MS, nowMs + WINDOW_MS_MAX)
    return [{ unit, left, size, atMs: nowMs, resetsAtMs: endMs, isGradual: isGradual ?? true }]
  })
}

function openai(read: ReadHeader, name: string, unit: RateUnit, nowMs: number): Told {
  return {
    unit,
    left: numberIn(read(`x-ratelimit-remaining-${name}`)),
    size: numberIn(read(`x-ratelimit-limit-${name}`)),
    resetsAtMs: after(read(`x-ratelimit-reset-${name}`), nowMs),
  }
}

function anthropic(read: ReadHeader, name: string, unit: RateUnit, nowMs: number): Told {
  return {
    unit,
    left: numberIn(read(`anthropic-ratelimit-${name}-remaining`)),
    size: numberIn(read(`anthropic-ratelimit-${name}-limit`)),
    resetsAtMs: after(read(`anthropic-ratelimit-${name}-reset`), nowMs),
  }
}

/** `"burst";r=50;t=30, …`, with `"burst";q=100;w=60;qu="requests"` as the policy; or `limit=100, remaining=50, reset=30`.
 *  https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/, drafts 7 to 10, 2026-11-21. */
function ietf(field: string, policies: string, nowMs: number): readonly Told[] {
  if (/(?:^|[\s,])remaining\s*=/.test(field)) {
    const left = parameter(field, 'remaining')
    const resetsAtMs = after(parameter(field, 'reset'), nowMs)
    return [
      {
        unit: 'requests',
        left: numberIn(left),
        size: numberIn(parameter(field, 'limit')),
        resetsAtMs,
        isGradual: false,
      },
    ]
  }
  const policyOf = new Map(policies.split(',').map((item) => [nameIn(item), item]))
  return field.split(',').flatMap((item) => {
    const policy = policyOf.get(nameIn(item)) ?? ''
    const unit = unitOf(parameter(policy, 'qu'), nameIn(item))
    if (unit === null) return []
    const resetsAtMs = after(parameter(item, 't') ?? parameter(policy, 'w'), nowMs)
    return [
      {
        unit,
        left: numberIn(parameter(item, 'r')),
        size: numberIn(parameter(policy, 'q')),
        resetsAtMs,
        isGradual: false,
      },
    ]
  })
}

/** The name that stands before the parameters, without its quotes. */
function nameIn(item: string): string {
  return (item.split(';')[0] ?? '').trim().replaceAll('"', '')
}

/** A quota is of requests unless it says otherwise; of bytes or of attempts at once we know nothing. */
function unitOf(unit: string | null, name: string): RateUnit | null {
  if (unit === null) return /token/i.test(name) ? 'tokens' : 'requests'
  if (/token/i.test(unit)) return 'tokens'
  return unit === 'requests' ? 'requests' : null
}

function parameter(text: string, name: string): string | null {
  const found = new RegExp(`(?:^|[;,\\s])${name}\\s*=\\s*"?([^;,"\\s]+)`).exec(text)
  return found?.[1] ?? null
}

function numberIn(text: string | null): number | null {
  if (text === null || !/^\s*\d+(\.\d+)?\s*$/.test(text)) return null
  return Math.min(Math.floor(Number(text)), Number.MAX_SAFE_INTEGER)
}

/** The moment that a reset names, in any of the forms that a wait has; now where that is past. */
function after(text: string | null, nowMs: number): number | null {
  return text === null ? null : nowMs + (readWait(text, nowMs) ?? 0)
}
