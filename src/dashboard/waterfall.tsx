// A request's attempts on one line of time: when each began, when its first content came, when it ended.
import type { ApiRequestRow } from './api-types.ts'
import { formatDuration } from './format.ts'

export function Waterfall({ attempts }: { readonly attempts: readonly ApiRequestRow[] }) {
  const startMs = Math.min(...attempts.map((row) => row.started_at_ms))
  const endMs = Math.max(...attempts.map((row) => row.started_at_ms + row.latency_ms), startMs + 1)
  const share = (ms: number): string => `${((100 * ms) / (endMs - startMs)).toFixed(2)}%`
  return (
    <section>
      <h3>Timing</h3>
      <ol class="waterfall">
        {attempts.map((row) => {
          const afterMs = row.started_at_ms - startMs
          const ttftMs = row.ttft_ms === null ? null : Math.min(row.ttft_ms, row.latency_ms)
          return (
            <li key={row.attempt}>
              <span class="waterfall-words">
                {row.attempt === 0 ? 'Without a provider' : `Attempt ${row.attempt}`}
                <span class="muted">
                  {' '}
                  began at {formatDuration(afterMs)}
                  {ttftMs !== null && `, first token after ${formatDuration(ttftMs)}`}, took{' '}
                  {formatDuration(row.latency_ms)}
                </span>
              </span>
              <span class="waterfall-track" aria-hidden="true">
                <span
                  class={row.status >= 400 || row.failure !== null ? 'waterfall-bar failed' : 'waterfall-bar'}
                  style={{ marginLeft: share(afterMs), width: share(row.latency_ms) }}
                >
                  {ttftMs !== null && row.latency_ms > 0 && (
                    <span
                      class="waterfall-wait"
                      style={{ width: `${((100 * ttftMs) / row.latency_ms).toFixed(2)}%` }}
                    />
                  )}
                </span>
              </span>
            </li>
          )
        })}
      </ol>
    </section>
  )
}
