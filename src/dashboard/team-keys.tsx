// The keys of one team, as the page of all keys has them.
import { useMemo, useState } from 'preact/hooks'
import type { ApiTeam } from './api-types.ts'
import { chosenLines, keyLines, type KeysView } from './keys-data.ts'
import { KeysTable } from './keys-table.tsx'
import type { Desk } from './page-frame.tsx'
import { Nothing, Panel, Pending } from './panel.tsx'
import { BASE, Link } from './router.tsx'
import type { TeamData } from './team-data.ts'

/** The page of all keys has the others. */
const LINES_MAX = 50

interface TeamKeysProps {
  readonly desk: Desk
  readonly team: ApiTeam
  readonly data: TeamData
}

export function TeamKeys({ desk: { overview, names }, team, data: { today, month, use } }: TeamKeysProps) {
  const [view, setView] = useState<KeysView>({ search: '', state: 'all', sort: 'month', isReversed: false, page: 0 })
  const lines = useMemo(() => {
    if (overview.data === null) return null
    const keys = overview.data.keys.filter((key) => key.team_id === team.id)
    const source = { keys, names, budgets: overview.data.budgets, use: use.data, today: today.data, month: month.data }
    return keyLines(source)
  }, [overview.data, names, team.id, use.data, today.data, month.data])
  const chosen = lines === null ? null : chosenLines(lines, view)
  return (
    <Panel title="Keys" name="team-keys">
      {chosen === null && <Pending feed={overview} lines={4} />}
      {chosen?.length === 0 && (
        <Nothing>
          No key yet. Mint one under <Link to={`${BASE}keys`}>Keys</Link>, and choose this team.
        </Nothing>
      )}
      {chosen !== null && chosen.length > 0 && (
        <KeysTable
          lines={chosen.slice(0, LINES_MAX)}
          view={view}
          onView={setView}
          isSpendKnown={today.data !== null && month.data !== null}
          isUseKnown={use.data !== null}
        />
      )}
      {chosen !== null && chosen.length > LINES_MAX && (
        <p class="hint">
          {LINES_MAX} of {chosen.length}. <Link to={`${BASE}keys?q=${encodeURIComponent(team.name)}`}>All of them</Link>
        </p>
      )}
    </Panel>
  )
}
