// A request's attempts on one line of time, which begins with the request: when each began, had its first content and was
// over. Those that ran at the same time, as hedges do, overlap.
import type { ApiRequestRow } from '../api-types.ts'
import { type AttemptBar, attemptBars } from './attempt-bars.ts'
import { formatDuration } from '../parts/format.ts'

export function Waterfall({ attempts }: { readonly attempts: readonly ApiRequestRow[] }) {
  const { bars, isGuessed } = attemptBars(attempts)
  const wholeMs = Math.max(1, ...bars.map(({ endMs }) => endMs))
  return (
    <section>
      <h3>Timing</h3>
      <ol class="waterfall">
        {bars.map((bar) => (
          <Bar key={bar.row.attempt} bar={bar} wholeMs={wholeMs} />
        ))}
      </ol>
      {isGuessed && (
        <p class="muted">Where the ledger has no beginning, an attempt is drawn from the end of the one before.</p>
      )}
    </section>
  )
}

function Bar({ bar, wholeMs }: { readonly bar: AttemptBar; readonly wholeMs: number }) {
  const { row, fromMs, firstMs, endMs, isBeside } = bar
  const isFailed = row.status >= 400 || row.failure !== null
  return (
    <li>
      <span class="waterfall-words">
        {row.attempt === 0 ? 'Without a provider' : `Attempt ${row.attempt}`}
        <span class="muted">
          {row.after_ms !== null && row.attempt > 0 && `, began at ${formatDuration(fromMs)}`}
          {isBeside && ' beside another'}
          {row.ttft_ms !== null && `, first token at ${formatDuration(row.ttft_ms)}`}, over at {formatDuration(endMs)}
        </span>
      </span>
      <span class="waterfall-track" aria-hidden="true">
        <span
          class={isFailed ? 'waterfall-bar failed' : 'waterfall-bar'}
          style={{ marginLeft: share(fromMs, wholeMs), width: share(endMs - fromMs, wholeMs) }}
        >
          {firstMs !== null && (
            <span class="waterfall-wait" style={{ width: share(firstMs - fromMs, endMs - fromMs) }} />
          )}
        </span>
      </span>
    </li>
  )
}

function share(part: number, whole: number): string {
  return whole <= 0 ? '0%' : `${((100 * part) / whole).toFixed(2)}%`
}
