// One team: what it is, what it is held to and how that stands, what it spent by model, its keys, and what can be done with it.
import { useMemo, useState } from 'preact/hooks'
import type { ApiTeam } from '../api-types.ts'
import { BudgetBar } from '../parts/budget-bar.tsx'
import { formatInstantExact } from '../parts/format.ts'
import { KEY_RANGES } from '../keys/key-data.ts'
import { IncreaseDialog, LimitsDialog } from '../keys/limit-dialogs.tsx'
import { ruleText } from '../parts/limit-text.ts'
import { mayCall } from '../frame/me.ts'
import { ModelSpend } from '../models/model-spend.tsx'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Panel, Nothing, Pending } from '../frame/panel.tsx'
import { BASE, Link, navigate } from '../frame/router.tsx'
import { draftsOf } from '../routes/rule-draft.ts'
import { Segmented } from '../parts/segmented.tsx'
import { SpendLines } from '../overview/spend-table.tsx'
import { type TeamData, modelGroups, useTeamData } from './team-data.ts'
import { DeleteTeamDialog, RenameTeamDialog, teamPath } from './team-dialogs.tsx'
import { TeamKeys } from './team-keys.tsx'
import { teamBudgets } from './teams-data.ts'
import { Tiles } from '../parts/tiles.tsx'
import { readCounters } from '../overview/usage-data.ts'
import { UserLimits } from '../keys/user-limits.tsx'

export function TeamPage({ desk }: { readonly desk: Desk }) {
  const { overview, place } = desk
  const data = useTeamData(desk, place.id)
  const team = overview.data?.teams.find((one) => one.id === place.id)
  const trail = (
    <span class="trail">
      <Link to={`${BASE}teams`}>Teams</Link> /
    </span>
  )
  if (team === undefined) {
    return (
      <PageFrame desk={desk} title="Team" trail={trail}>
        {overview.data === null ? (
          <Pending feed={overview} lines={6} />
        ) : (
          <Nothing>There is no team {place.id}. It may have been deleted, or it isn’t yours.</Nothing>
        )}
      </PageFrame>
    )
  }
  return (
    <PageFrame
      desk={desk}
      title={team.name}
      trail={trail}
      feeds={[data.usage]}
      aside={
        <Segmented
          legend="Time range"
          name="range"
          value={data.range.name}
          options={KEY_RANGES.map(({ name }) => ({ value: name, text: name }))}
          onChange={(name) => data.setRange(KEY_RANGES.find((range) => range.name === name) ?? data.range)}
        />
      }
    >
      <TeamBody desk={desk} team={team} data={data} />
    </PageFrame>
  )
}

type DialogName = 'limits' | 'increase' | 'rename' | 'delete'

interface TeamBodyProps {
  readonly desk: Desk
  readonly team: ApiTeam
  readonly data: TeamData
}

function TeamBody({ desk, team, data }: TeamBodyProps) {
  const [open, setOpen] = useState<DialogName | null>(null)
  const [said, setSaid] = useState('')
  const answer = data.usage.data
  const total = useMemo(() => (answer === null ? null : readCounters(answer.total)), [answer])
  const models = useMemo(() => (answer === null ? null : modelGroups(answer)), [answer])
  function onDone(what: string): void {
    setOpen(null)
    setSaid(what)
    desk.overview.refresh()
  }
  const dialog = { api: desk.api, onClose: () => setOpen(null), onDone }
  const limited = { name: team.name, path: teamPath(team), limits: team.limits, above: 'its tenant' }
  return (
    <>
      <section class="card key-card" aria-label="The team">
        <TeamFacts desk={desk} team={team} />
        <TeamActions desk={desk} onOpen={setOpen} />
        <p class="said" role="status">
          {said}
        </p>
      </section>
      <Tiles total={total} isStale={data.usage.isStale} />
      <TeamLimits desk={desk} team={team} />
      <UserLimits
        api={desk.api}
        of={{ name: team.name, path: teamPath(team), rules: team.end_user_limits ?? [] }}
        mayChange={mayCall(desk.me, 'PATCH /teams/:id')}
        onDone={onDone}
      />
      <div class="split">
        <ModelSpend data={data} names={desk.names} />
        <Panel title="Spend by model" name="by-model" isStale={data.usage.isStale}>
          {models === null && <Pending feed={data.usage} lines={4} />}
          {models?.length === 0 && <Nothing>No requests in this range.</Nothing>}
          {models !== null && models.length > 0 && (
            <SpendLines dimension="model" groups={models} total={total?.costNanoUsd ?? 0n} names={desk.names} />
          )}
        </Panel>
      </div>
      <TeamKeys desk={desk} team={team} />
      {open === 'limits' && <LimitsDialog of={limited} {...dialog} />}
      {open === 'increase' && <IncreaseDialog of={limited} {...dialog} />}
      {open === 'rename' && <RenameTeamDialog team={team} {...dialog} />}
      {open === 'delete' && (
        <DeleteTeamDialog
          team={team}
          {...dialog}
          onDone={() => {
            desk.overview.refresh()
            navigate(`${BASE}teams`)
          }}
        />
      )}
    </>
  )
}

function TeamFacts({ desk: { names, overview }, team }: Omit<TeamBodyProps, 'data'>) {
  const keys = overview.data?.key_counts.find(({ team_id: id }) => id === team.id)?.active ?? 0
  const facts: readonly (readonly [string, string])[] = [
    ['Tenant', names.tenant(team.tenant_id)],
    ['Keys in use', String(keys)],
    ...(team.created_at_ms === undefined ? [] : [['Created', formatInstantExact(team.created_at_ms)] as const]),
    ['Id', team.id],
  ]
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class={name === 'Id' ? 'mono' : ''}>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function TeamActions({ desk: { me }, onOpen }: { readonly desk: Desk; readonly onOpen: (name: DialogName) => void }) {
  if (!mayCall(me, 'PATCH /teams/:id')) return null
  return (
    <div class="actions">
      <button type="button" class="button" onClick={() => onOpen('limits')}>
        Change limits
      </button>
      <button type="button" class="button" onClick={() => onOpen('increase')}>
        Raise a limit for a while
      </button>
      <button type="button" class="button" onClick={() => onOpen('rename')}>
        Rename
      </button>
      {mayCall(me, 'DELETE /teams/:id') && (
        <button type="button" class="button danger-quiet" onClick={() => onOpen('delete')}>
          Delete
        </button>
      )}
    </div>
  )
}

/** Its budgets with their use, and its other limits in words. */
function TeamLimits({ desk: { overview }, team }: Omit<TeamBodyProps, 'data'>) {
  const budgets = overview.data === null ? [] : teamBudgets(overview.data, team.id)
  const others = draftsOf(team.limits, '').filter(({ kind }) => budgets.length === 0 || kind !== 'budget')
  return (
    <Panel
      title="Limits"
      name="limits"
      aside={<span class="muted">for all its keys together; those of its tenant hold beside them</span>}
    >
      {budgets.length + others.length === 0 && (
        <Nothing>Nothing limits this team but what limits its tenant and each of its keys.</Nothing>
      )}
      <ul class="team-limits">
        {budgets.map((budget) => (
          <li key={`${budget.model} ${JSON.stringify(budget.period)}`}>
            <p class="context">Budget{budget.model !== null && ` for ${budget.model}`}</p>
            <BudgetBar of={team.name} budget={budget} />
          </li>
        ))}
        {others.map((draft) => (
          <li key={draft.id}>
            <p class="context">{draft.kind === 'budget' ? 'Budget' : draft.kind === 'rate' ? 'Rate' : 'At once'}</p>
            <p>{ruleText(draft)}</p>
          </li>
        ))}
      </ul>
    </Panel>
  )
}
