// The six figures at the top: spend, requests, errors, tokens, cache hits, savings over the range.
import type { ComponentChildren } from 'preact'
import { Count, Money } from './figures.tsx'
import { formatCountShort, formatShare } from './format.ts'
import type { Counters } from '../overview/usage-data.ts'

interface TilesProps {
  /** Null until the first answer. */
  readonly total: Counters | null
  readonly isStale: boolean
}

export function Tiles({ total, isStale }: TilesProps) {
  return (
    <dl class={isStale ? 'tiles stale' : 'tiles'} aria-label="Totals" aria-busy={total === null || isStale}>
      <Tile
        name="spend"
        label="Spend"
        value={total && <Money nanoUsd={total.costNanoUsd} />}
        note={total && perRequest(total)}
      />
      <Tile
        name="requests"
        label="Requests"
        value={total && <Count count={total.requests} />}
        note={total && served(total)}
      />
      <Tile
        name="errors"
        label="Errors"
        tone={total !== null && total.errors > 0 ? 'bad' : 'plain'}
        value={total && <Count count={total.errors} />}
        note={total && ofRequests(total.errors, total)}
      />
      <Tile
        name="tokens"
        label="Tokens"
        value={total && <Count count={total.inputTokens + total.outputTokens} />}
        note={total && `${formatCountShort(total.inputTokens)} in · ${formatCountShort(total.outputTokens)} out`}
      />
      <Tile
        name="cache-hits"
        label="Cache hits"
        value={total && <Count count={total.cacheHits} />}
        note={total && ofRequests(total.cacheHits, total)}
      />
      <Tile
        name="saved"
        label="Saved by cache"
        value={total && <Money nanoUsd={total.savedNanoUsd} />}
        note={total && savedShare(total)}
      />
    </dl>
  )
}

interface TileProps {
  readonly name: string
  readonly label: string
  readonly value: ComponentChildren
  readonly note: ComponentChildren
  readonly tone?: 'plain' | 'bad'
}

function Tile({ name, label, value, note, tone = 'plain' }: TileProps) {
  return (
    <div class={`card tile tile-${name} ${tone}`}>
      <dt>{label}</dt>
      <dd class="tile-value">{value ?? <span class="skeleton-line short" />}</dd>
      <dd class="tile-note">{note ?? ' '}</dd>
    </div>
  )
}

function perRequest({ costNanoUsd, requests }: Counters): ComponentChildren {
  if (requests === 0) return '–'
  return (
    <>
      <Money nanoUsd={costNanoUsd / BigInt(requests)} /> per request
    </>
  )
}

function ofRequests(count: number, { requests }: Counters): string {
  return requests === 0 ? '–' : `${formatShare(count, requests)} of requests`
}

function served({ requests, errors }: Counters): string {
  return `${formatCountShort(Math.max(0, requests - errors))} served`
}

function savedShare({ savedNanoUsd, costNanoUsd }: Counters): string {
  const undiscounted = Number(savedNanoUsd + costNanoUsd)
  return undiscounted === 0 ? '–' : `${formatShare(Number(savedNanoUsd), undiscounted)} of the bill`
}
