// The keys of one team, as the page of all keys has them.
import { useMemo, useState } from 'preact/hooks'
import type { ApiKeyLines, ApiTeam } from '../api-types.ts'
import { useFeed } from '../live/feed.ts'
import { keyLine, type KeysView, linesPath } from '../keys/keys-data.ts'
import { KeysTable } from '../keys/keys-table.tsx'
import type { Desk } from '../frame/page-frame.tsx'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import { BASE, Link } from '../frame/router.tsx'

interface TeamKeysProps {
  readonly desk: Desk
  readonly team: ApiTeam
}

export function TeamKeys({ desk: { api, names, isPaused }, team }: TeamKeysProps) {
  const [view, setView] = useState<KeysView>({ search: '', state: 'all', sort: 'month', isReversed: false, page: 0 })
  const path = linesPath(view, team.id)
  const found = useFeed({
    key: path,
    load: (signal) => api.read<ApiKeyLines>(path, ['rows'], signal),
    isPaused,
    changesWith: ['requests', 'configuration'],
  })
  const answer = found.data
  const lines = useMemo(() => answer?.rows.map((row) => keyLine(row, names)) ?? [], [answer, names])
  return (
    <Panel title="Keys" name="team-keys" isStale={found.isStale}>
      {answer === null && <Pending feed={found} lines={4} />}
      {answer?.count === 0 && (
        <Nothing>
          No key yet. Mint one under <Link to={`${BASE}keys`}>Keys</Link>, and choose this team.
        </Nothing>
      )}
      {lines.length > 0 && <KeysTable lines={lines} view={view} onView={setView} />}
      {answer !== null && answer.count > lines.length && (
        <p class="hint">
          {lines.length} of {answer.count}.{' '}
          <Link to={`${BASE}keys?q=${encodeURIComponent(team.name)}`}>All of them</Link>
        </p>
      )}
    </Panel>
  )
}
