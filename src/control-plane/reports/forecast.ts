// What the month will have cost: `/admin/forecast`, for all or for whatever a report can be filtered by.
import { Hono } from 'hono'
import * as z from 'zod/mini'
import { type DaySpend, FORECAST_DAYS_MAX, FORECAST_LIKELIHOOD, forecastMonth } from '../../core/money/forecast.ts'
import { isTimeZone, windowAt } from '../../core/limits/window.ts'
import type { Filters } from '../../ledger/report-query.ts'
import { report } from '../../ledger/report.ts'
import { FILTER_VALUES, filtersOf, within } from './analytics.ts'
import { scopeOf } from '../access/caller.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { refuse, unacceptable } from '../http/refusal.ts'
import { findRow, type TenantRow } from '../store.ts'
import { byTenantId } from './tenant-filter.ts'
import { query } from '../http/validate.ts'

const DAY_MS = 86_400_000

const FORECAST = z.strictObject({
  tenant: FILTER_VALUES,
  team: FILTER_VALUES,
  key: FILTER_VALUES,
  cost_center: FILTER_VALUES,
  provider: FILTER_VALUES,
  model: FILTER_VALUES,
  route: FILTER_VALUES,
})

/** The admin API's `/forecast`. Of one tenant the month is that of its time zone, else of UTC. */
export function forecastEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>().get('/', query(FORECAST), async (c) => {
    const named = await byTenantId(c.env.DB, scopeOf(c), c.req.valid('query'))
    if (!named.ok) return refuse(c, named.error)
    const filters = within(scopeOf(c), filtersOf(named.value))
    const nowMs = ports.nowMs()
    const timeZone = await zoneOf(c.env.DB, filters)
    const month = windowAt('month', timeZone, nowMs)
    const today = windowAt('day', timeZone, nowMs)
    const read = { toMs: nowMs + 1, metrics: ['spend'] as const, filters, limit: 400, isCompared: false }
    const [spent, byDay] = await Promise.all([
      report(c.env.DB, { ...read, fromMs: month.startMs, groupBy: [] }),
      report(c.env.DB, { ...read, fromMs: today.startMs - FORECAST_DAYS_MAX * DAY_MS, groupBy: ['day'] }),
    ])
    if (!spent.ok) return refuse(c, unacceptable('tenant', 'not_kept', spent.error))
    if (!byDay.ok) return refuse(c, unacceptable('tenant', 'not_kept', byDay.error))
    const spends = new Map(byDay.value.rows.map(({ values }) => [`${values['day']}`, Number(values['cost_nano_usd'])]))
    const day = dayAt(nowMs, timeZone)
    const days = daysUntil(day, spends)
    const spentNanoUsd = `${spent.value.total['cost_nano_usd'] ?? 0}`
    const forecast = forecastMonth({
      days,
      spentNanoUsd: Number(spentNanoUsd),
      today: { weekday: weekdayOf(day), share: (nowMs - today.startMs) / (today.endMs - today.startMs) },
      daysLeft: lastOfMonth(day) - Number(day.slice(-2)),
    })
    return c.json({
      month: day.slice(0, 7),
      time_zone: timeZone,
      from: month.startMs,
      to: month.endMs,
      spent_nano_usd: spentNanoUsd,
      expected_nano_usd: told(forecast?.expectedNanoUsd),
      low_nano_usd: told(forecast?.lowNanoUsd),
      high_nano_usd: told(forecast?.highNanoUsd),
      likelihood: FORECAST_LIKELIHOOD,
      days_known: days.length,
    })
  })
}

function told(nanoUsd: number | undefined): string | null {
  return nanoUsd === undefined ? null : String(nanoUsd)
}

async function zoneOf(db: D1Database, { tenant }: Filters): Promise<string> {
  const [id, other] = tenant ?? []
  if (id === undefined || other !== undefined) return 'UTC'
  const row = await findRow<TenantRow>(db, 'tenants', id)
  return row !== null && isTimeZone(row.time_zone) ? row.time_zone : 'UTC'
}

/** Days that are over, from the first of which anything is known. */
function daysUntil(today: string, spends: ReadonlyMap<string, number>): readonly DaySpend[] {
  const first = [...spends.keys()].toSorted()[0] ?? today
  const days: DaySpend[] = []
  for (let ms = Date.parse(`${first}T00:00:00Z`); ms < Date.parse(`${today}T00:00:00Z`); ms += DAY_MS) {
    const day = new Date(ms).toISOString().slice(0, 10)
    days.push({ weekday: weekdayOf(day), nanoUsd: spends.get(day) ?? 0 })
  }
  return days
}

/** As `2026-11-21`. */
function dayAt(ms: number, timeZone: string): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(ms)
}

function weekdayOf(day: string): number {
  return new Date(`${day}T00:00:00Z`).getUTCDay()
}

function lastOfMonth(day: string): number {
  return new Date(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(5, 7)), 0)).getUTCDate()
}
