// A report of usage as the events themselves say it: what the ledger's sums are held against.
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import type { UsageQuery } from '../../src/ledger/usage-report.ts'

const HOUR_MS = 3_600_000

/** The same report computed the plain way, in JS and BigInt. */
export function expectedReport(events: readonly UsageEvent[], query: UsageQuery) {
  const chosen = events.filter((event) => event.startedAtMs >= query.fromMs && event.startedAtMs < query.toMs)
  const groups = new Map<string, UsageEvent[]>()
  for (const event of chosen) {
    const name = JSON.stringify(groupOf(event, query))
    groups.set(name, [...(groups.get(name) ?? []), event])
  }
  if (query.groupBy.length === 0) groups.set('{}', chosen)
  const rows = [...groups].map(([name, members]) => ({ ...JSON.parse(name), ...sums(members) }))
  rows.sort((a, b) => compareGroups(a, b, query.groupBy))
  return { from: query.fromMs, to: query.toMs, group_by: query.groupBy, rows, total: sums(chosen) }
}

function groupOf(event: UsageEvent, query: UsageQuery) {
  const all = {
    hour: Math.floor(event.startedAtMs / HOUR_MS) * HOUR_MS,
    day: Math.floor(event.startedAtMs / (24 * HOUR_MS)) * 24 * HOUR_MS,
    tenant: event.tenantId,
    team: event.teamId,
    key: event.keyId,
    model: event.model,
    provider: event.provider,
    cost_center: event.costCenter,
  }
  return Object.fromEntries(query.groupBy.map((group) => [group, all[group]]))
}

function sums(events: readonly UsageEvent[]) {
  const finals = events.filter((event) => event.isFinal)
  const isError = (event: UsageEvent) =>
    ['provider-cut', 'timed-out', 'failed', 'lost'].includes(event.ending) ||
    (event.status >= 400 && event.ending !== 'client-left')
  const total = (pick: (event: UsageEvent) => number) => events.reduce((sum, event) => sum + BigInt(pick(event)), 0n)
  return {
    requests: finals.length,
    errors: finals.filter(isError).length,
    cache_hits: finals.filter((event) => event.cache === 'hit').length,
    unpriced: events.filter((event) => event.isUnpriced === true).length,
    input_tokens: Number(total((event) => event.usage.input)),
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    output_tokens: Number(total((event) => event.usage.output)),
    reasoning_tokens: 0,
    cost_nano_usd: String(total((event) => event.costNanoUsd)),
    saved_nano_usd: String(total((event) => event.savedNanoUsd)),
  }
}

/** As SQL orders: null first, then by value. */
function compareGroups(a: Record<string, unknown>, b: Record<string, unknown>, groupBy: readonly string[]): number {
  for (const group of groupBy) {
    const [x, y] = [a[group], b[group]]
    if (x === y) continue
    if (x === null) return -1
    if (y === null) return 1
    return typeof x === 'number' && typeof y === 'number'
      ? x - y
      : typeof x === 'string' && typeof y === 'string' && x < y
        ? -1
        : 1
  }
  return 0
}
