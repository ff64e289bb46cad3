// What the page of one team reads: what it spent over time and by model.
import { useState } from 'preact/hooks'
import { type Feed, useFeed } from '../live/feed.ts'
import { type ApiKeyUsage, KEY_RANGES } from '../keys/key-data.ts'
import type { Desk } from '../frame/page-frame.tsx'
import type { Range } from '../parts/ranges.ts'
import { readCounters, type SpendGroup } from '../overview/usage-data.ts'

export interface TeamData {
  readonly range: Range
  readonly setRange: (range: Range) => void
  readonly usage: Feed<ApiKeyUsage>
}

/** As many as the API lists at most. */
const ROWS_MAX = '20000'

/** Feeds about the team with this id. */
export function useTeamData({ api, isPaused }: Desk, team: string): TeamData {
  const [range, setRange] = useState<Range | undefined>(() => KEY_RANGES.find(({ name }) => name === '7d'))
  if (range === undefined) throw new Error('there is no range of 7 days')
  const usage = useFeed({
    key: range.name,
    load: (signal) => {
      const to = Date.now() + 1
      const query = new URLSearchParams({
        ...{ metrics: 'spend,requests,errors,tokens,savings', group_by: 'hour,model', team, limit: ROWS_MAX },
        ...{ from: String(to - range.lengthMs), to: String(to) },
      })
      return api.read<ApiKeyUsage>(`/admin/reports?${query}`, ['rows'], signal)
    },
    isPaused,
    changesWith: ['requests'],
  })
  return { range, setRange, usage }
}

/** What was spent by model, dearest first. */
export function modelGroups({ rows }: ApiKeyUsage): readonly SpendGroup[] {
  const groups = new Map<string | null, SpendGroup>()
  for (const row of rows) {
    const id = row.model ?? null
    const { requests, inputTokens, outputTokens, costNanoUsd } = readCounters(row)
    const sum = groups.get(id) ?? { id, requests: 0, tokens: 0, costNanoUsd: 0n }
    groups.set(id, {
      id,
      requests: sum.requests + requests,
      tokens: sum.tokens + inputTokens + outputTokens,
      costNanoUsd: sum.costNanoUsd + costNanoUsd,
    })
  }
  return [...groups.values()].sort((a, b) =>
    a.costNanoUsd < b.costNanoUsd ? 1 : a.costNanoUsd > b.costNanoUsd ? -1 : 0,
  )
}
