// One request to a collector, and what became of it: whether it is worth another try is the protocol's word, not ours.
// https://opentelemetry.io/docs/specs/otlp/#otlphttp-response (read 2026-11-21)

export type Posted =
  | { readonly kind: 'sent'; readonly rejected: number }
  /** It may go better later. */
  | { readonly kind: 'later'; readonly reason: string; readonly retryAfterSeconds: number | null }
  /** The collector will never take it as it is. */
  | { readonly kind: 'refused'; readonly reason: string }

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

const DEADLINE_MS = 10_000
const RETRYABLE = new Set([429, 502, 503, 504])
const REASON_CHARS_MAX = 200
const ANSWER_CHARS_MAX = 10_000

/** Sends a body of JSON. Never rejects, and takes ten seconds at most. */
export async function postOtlp(
  fetch: Fetch,
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<Posted> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
      // The headers are for this address.
      redirect: 'manual',
      signal: AbortSignal.timeout(DEADLINE_MS),
    })
    const text = (await response.text()).slice(0, ANSWER_CHARS_MAX)
    if (response.ok) return { kind: 'sent', rejected: rejectedIn(text) }
    const reason = `${response.status} ${text}`.slice(0, REASON_CHARS_MAX)
    if (!RETRYABLE.has(response.status)) return { kind: 'refused', reason }
    const seconds = Number(response.headers.get('retry-after') ?? NaN)
    return { kind: 'later', reason, retryAfterSeconds: Number.isFinite(seconds) && seconds >= 0 ? seconds : null }
  } catch (error) {
    return { kind: 'later', reason: String(error).slice(0, REASON_CHARS_MAX), retryAfterSeconds: null }
  }
}

/** How many items a collector left out of what it took. */
function rejectedIn(text: string): number {
  const found = /"rejected(?:Spans|DataPoints)"\s*:\s*"?(\d{1,9})/.exec(text)
  return Number(found?.[1] ?? 0)
}
