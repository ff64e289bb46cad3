// All teams and all cost centers: what each spends, how its budget stands, how many keys it has. A team's own page is a click
// away; here one is made.
import { useMemo, useState } from 'preact/hooks'
import type { ApiTeam } from '../api-types.ts'
import { BudgetBar } from '../parts/budget-bar.tsx'
import { Count, Money } from '../parts/figures.tsx'
import { formatShare, percentOf } from '../parts/format.ts'
import { mayCall } from '../frame/me.ts'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import { BASE, Link, navigate, pathOf } from '../frame/router.tsx'
import { NewTeamDialog } from './team-dialogs.tsx'
import { type CostCenterLine, costCenterLines, type TeamLine, teamLines, useOwnerSpend } from './teams-data.ts'

export function TeamsPage({ desk }: { readonly desk: Desk }) {
  const { overview, names } = desk
  const [isMaking, setIsMaking] = useState(false)
  const { today, month } = useOwnerSpend(desk)
  const lines = useMemo(() => {
    if (overview.data === null || today.data === null || month.data === null) return null
    return teamLines({ overview: overview.data, names, today: today.data, month: month.data })
  }, [overview.data, names, today.data, month.data])
  const centers = useMemo(() => {
    return today.data === null || month.data === null ? null : costCenterLines(today.data, month.data)
  }, [today.data, month.data])
  const waitsFor = overview.data === null ? overview : month.data === null ? month : today
  const mayMake = mayCall(desk.me, 'POST /teams')
  return (
    <PageFrame
      desk={desk}
      title="Teams"
      feeds={[today, month]}
      aside={
        mayMake && (
          <button
            type="button"
            class="button primary"
            disabled={overview.data === null || overview.data.tenants.length === 0}
            onClick={() => setIsMaking(true)}
          >
            Make a team
          </button>
        )
      }
    >
      <Panel title="Teams" name="teams" aside={<span class="muted">dearest this month first</span>}>
        {lines === null && <Pending feed={waitsFor} lines={5} />}
        {overview.data?.teams.length === 0 && <NoTeams mayMake={mayMake} />}
        {lines !== null && lines.length > 0 && <TeamsTable lines={lines} />}
      </Panel>
      <Panel title="Cost centers" name="cost-centers" aside={<span class="muted">whatever team spent it</span>}>
        {centers === null && <Pending feed={waitsFor} lines={3} />}
        {centers?.every(({ name }) => name === null) === true && (
          <Nothing>
            Nothing was booked to a cost center this month. Give a key one: what it spends is summed here, whichever
            team it is of.
          </Nothing>
        )}
        {centers?.some(({ name }) => name !== null) === true && <CostCentersTable lines={centers} />}
      </Panel>
      {isMaking && overview.data !== null && (
        <NewTeamDialog
          api={desk.api}
          overview={overview.data}
          onClose={() => setIsMaking(false)}
          onMade={(team) => {
            overview.refresh()
            navigate(pathOf({ page: 'team', id: team.id }))
          }}
        />
      )}
    </PageFrame>
  )
}

function NoTeams({ mayMake }: { readonly mayMake: boolean }) {
  return (
    <div class="teach">
      <h3>No team yet</h3>
      <p>
        A team stands between a tenant and its keys: its budget and its limits hold for all its keys together, and what
        they spend is summed under its name.
      </p>
      <p class="muted">
        {mayMake
          ? 'Make one above, then mint keys for it. A team lead sees and manages their own team alone: give them that role under Access.'
          : 'An admin of the tenant can make one.'}
      </p>
    </div>
  )
}

function TeamsTable({ lines }: { readonly lines: readonly TeamLine[] }) {
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Teams">
      <table class="keys-table teams-table">
        <thead>
          <tr>
            <th scope="col">Team</th>
            <th scope="col" class="number">
              Today (UTC)
            </th>
            <th scope="col" class="number">
              This month (UTC)
            </th>
            <th scope="col" class="number">
              Requests
            </th>
            <th scope="col" class="cell-budget">
              Budget
            </th>
            <th scope="col" class="number">
              Keys
            </th>
            <th scope="col">Limits of its own</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <TeamRow key={`${line.tenantId} ${line.team?.id ?? ''}`} line={line} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function TeamRow({ line }: { readonly line: TeamLine }) {
  const { team, name, tenant, keys, limits, budget } = line
  return (
    <tr>
      <th scope="row" class="cell-name">
        <TeamName team={team} name={name} />
        <span class="context">{tenant}</span>
      </th>
      <td class="number cell-today">
        <Money nanoUsd={line.todayNanoUsd} />
      </td>
      <td class="number strong cell-month">
        <Money nanoUsd={line.monthNanoUsd} />
      </td>
      <td class="number cell-requests">
        <Count count={line.requests} />
      </td>
      <td class={budget === null ? 'cell-budget none' : 'cell-budget'}>
        {budget === null ? <span class="muted">–</span> : <BudgetBar of={name} budget={budget} />}
      </td>
      <td class="number cell-keys">
        {keys === 0 ? 0 : <Link to={`${BASE}keys?q=${encodeURIComponent(team?.name ?? tenant)}`}>{keys}</Link>}
      </td>
      <td class="cell-limits context" title={limits}>
        {limits === '' ? 'none' : limits}
      </td>
    </tr>
  )
}

function TeamName({ team, name }: { readonly team: ApiTeam | null; readonly name: string }) {
  if (team === null) return <span class="muted">{name}</span>
  return (
    <Link to={pathOf({ page: 'team', id: team.id })} class="name" title={name}>
      {name}
    </Link>
  )
}

function CostCentersTable({ lines }: { readonly lines: readonly CostCenterLine[] }) {
  const total = lines.reduce((sum, line) => sum + line.monthNanoUsd, 0n)
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Cost centers">
      <table class="spend-table centers-table">
        <thead>
          <tr>
            <th scope="col">Cost center</th>
            <th scope="col" class="number">
              Requests
            </th>
            <th scope="col" class="number">
              Today (UTC)
            </th>
            <th scope="col" class="number">
              This month (UTC)
            </th>
            <th scope="col" class="number">
              Share
            </th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.name ?? ''}>
              <th scope="row">
                <span class={line.name === null ? 'muted' : 'name'}>{line.name ?? 'No cost center'}</span>
                <span class="share-track" aria-hidden="true">
                  <span class="share-bar" style={{ width: `${percentOf(line.monthNanoUsd, total)}%` }} />
                </span>
              </th>
              <td class="number">
                <Count count={line.requests} />
              </td>
              <td class="number">
                <Money nanoUsd={line.todayNanoUsd} />
              </td>
              <td class="number strong">
                <Money nanoUsd={line.monthNanoUsd} />
              </td>
              <td class="number muted">{formatShare(Number(line.monthNanoUsd), Number(total))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
