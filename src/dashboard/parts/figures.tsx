// Figures as elements: rounded to read, exact on hover and to machines. Everything that shows money or an instant goes
// through here, so that none of them is ever ambiguous.
import {
  formatCount,
  formatCountShort,
  formatInstant,
  formatInstantExact,
  formatUsd,
  formatUsdExact,
} from './format.ts'

/** An amount; the tooltip has it to the last nano-dollar. */
export function Money({ nanoUsd }: { nanoUsd: bigint }) {
  const exact = formatUsdExact(nanoUsd)
  return (
    <data class="money" value={exact.replace('−', '-').replace(/[$,]/g, '')} title={`${exact} exactly`}>
      {formatUsd(nanoUsd)}
    </data>
  )
}

/** A count, shortened from ten thousand up; the tooltip has it in full. */
export function Count({ count }: { count: number }) {
  return (
    <data value={String(count)} title={formatCount(count)}>
      {formatCountShort(count)}
    </data>
  )
}

/** An instant in the viewer's zone; the tooltip has date, milliseconds and zone. */
export function Instant({ atMs, nowMs }: { atMs: number; nowMs: number }) {
  return (
    <time datetime={new Date(atMs).toISOString()} title={formatInstantExact(atMs)}>
      {formatInstant(atMs, nowMs)}
    </time>
  )
}
