// A request's attempts on one line of time, which begins with the request: when the first content came, when each was over. The
// ledger has no start of an attempt: each is drawn from the end of those that were over before it.
import type { ApiRequestRow } from './api-types.ts'
import { formatDuration } from './format.ts'

export function Waterfall({ attempts }: { readonly attempts: readonly ApiRequestRow[] }) {
  const wholeMs = Math.max(1, ...attempts.map((row) => row.latency_ms))
  return (
    <section>
      <h3>Timing</h3>
      <ol class="waterfall">
        {attempts.map((row, at) => (
          <Bar key={row.attempt} row={row} fromMs={startOf(attempts, at)} wholeMs={wholeMs} />
        ))}
      </ol>
      {attempts.length > 1 && <p class="muted">Each is drawn from the end of the one before.</p>}
    </section>
  )
}

/** When the last of those before was over, of those that were over before this one was. */
function startOf(attempts: readonly ApiRequestRow[], at: number): number {
  const endMs = attempts[at]?.latency_ms ?? 0
  const ends = attempts.slice(0, at).map((row) => row.latency_ms)
  return Math.max(0, ...ends.filter((ms) => ms <= endMs))
}

interface BarProps {
  readonly row: ApiRequestRow
  readonly fromMs: number
  readonly wholeMs: number
}

function Bar({ row, fromMs, wholeMs }: BarProps) {
  const { ttft_ms: ttftMs, latency_ms: endMs } = row
  const waitMs = ttftMs === null ? null : Math.max(0, Math.min(ttftMs, endMs) - fromMs)
  const isFailed = row.status >= 400 || row.failure !== null
  return (
    <li>
      <span class="waterfall-words">
        {row.attempt === 0 ? 'Without a provider' : `Attempt ${row.attempt}`}
        <span class="muted">
          {ttftMs !== null && `, first token at ${formatDuration(ttftMs)}`}, over at {formatDuration(endMs)}
        </span>
      </span>
      <span class="waterfall-track" aria-hidden="true">
        <span
          class={isFailed ? 'waterfall-bar failed' : 'waterfall-bar'}
          style={{ marginLeft: share(fromMs, wholeMs), width: share(endMs - fromMs, wholeMs) }}
        >
          {waitMs !== null && <span class="waterfall-wait" style={{ width: share(waitMs, endMs - fromMs) }} />}
        </span>
      </span>
    </li>
  )
}

function share(part: number, whole: number): string {
  return whole <= 0 ? '0%' : `${((100 * part) / whole).toFixed(2)}%`
}
