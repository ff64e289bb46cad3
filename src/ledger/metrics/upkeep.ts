// How the deployment itself fares: breakers, alerts, dead letters, exporters, and how old the newest event is.
import { exportersHealth } from '../telemetry/health.ts'
import type { Family, Labels, Sample, Value } from './exposition.ts'

const BREAKERS_MAX = 500
const STATES = ['closed', 'ramping', 'open'] as const

interface BreakerRow {
  readonly target_id: string
  readonly region: string
  readonly state: string
  readonly opened: number
}

interface CountRow {
  readonly name: string
  readonly count: number
}

const BREAKERS = `SELECT target_id, region, state, opened FROM breakers
  WHERE target_id IN (SELECT id FROM targets) ORDER BY at_ms DESC LIMIT ${BREAKERS_MAX}`
const ALERTS = `SELECT kind AS name, count(*) AS count FROM alerts GROUP BY kind ORDER BY kind`
const DELIVERIES = `SELECT state AS name, count(*) AS count FROM alert_deliveries GROUP BY state ORDER BY state`
const LETTERS = `SELECT count(*) AS waiting FROM dead_letters WHERE replayed_at_ms IS NULL`
/** Ids are in the order of time. */
const NEWEST = `SELECT started_at_ms + latency_ms AS at_ms FROM usage_events ORDER BY request_id DESC LIMIT 1`

/** Families of all that. */
export async function upkeepFamilies(db: D1Database, nowMs: number): Promise<readonly Family[]> {
  const [breakers, alerts, deliveries, letters, newest, exporters] = await Promise.all([
    db.prepare(BREAKERS).all<BreakerRow>(),
    db.prepare(ALERTS).all<CountRow>(),
    db.prepare(DELIVERIES).all<CountRow>(),
    db.prepare(LETTERS).first<{ waiting: number }>(),
    db.prepare(NEWEST).first<{ at_ms: number }>(),
    exportersHealth(db),
  ])
  const exported = (value: (row: (typeof exporters)[number]) => number): readonly Sample[] =>
    exporters.map((row) => ({ labels: { exporter: row.name }, value: value(row) }))
  return [
    ...breakerFamilies(breakers.results),
    counts('counter', 'tidegate_alerts_total', 'Alerts by kind.', 'kind', alerts.results),
    counts('gauge', 'tidegate_alert_deliveries', 'Deliveries of alerts by state.', 'state', deliveries.results),
    one('gauge', 'tidegate_dead_letters', 'Usage messages that wait for an operator.', letters?.waiting ?? 0),
    ...(newest === null
      ? []
      : [
          one(
            'gauge',
            'tidegate_newest_event_age_seconds',
            'Time since the end of the newest request in the ledger.',
            Math.max(0, nowMs - newest.at_ms) / 1000,
          ),
        ]),
    family(
      'counter',
      'tidegate_exporter_items_total',
      'Spans and series that a collector took.',
      exported((row) => row.sent),
    ),
    family(
      'counter',
      'tidegate_exporter_dropped_total',
      'Those that it never will.',
      exported((row) => row.dropped),
    ),
    family(
      'counter',
      'tidegate_exporter_failures_total',
      'Requests to it that failed.',
      exported((row) => row.failed),
    ),
  ]
}

function breakerFamilies(rows: readonly BreakerRow[]): readonly Family[] {
  const labelsOf = ({ target_id: target, region }: BreakerRow): Labels => ({ target, region })
  return [
    family(
      'gauge',
      'tidegate_breaker_state',
      'State of a target’s circuit breaker in a region: 1 for the one that holds.',
      rows.flatMap((row) =>
        STATES.map((state) => ({ labels: { ...labelsOf(row), state }, value: row.state === state ? 1 : 0 })),
      ),
    ),
    family(
      'counter',
      'tidegate_breaker_opened_total',
      'How often it opened.',
      rows.map((row) => ({ labels: labelsOf(row), value: row.opened })),
    ),
  ]
}

type Plain = 'counter' | 'gauge'

function counts(type: Plain, name: string, help: string, label: string, rows: readonly CountRow[]): Family {
  return family(
    type,
    name,
    help,
    rows.map((row) => ({ labels: { [label]: row.name }, value: row.count })),
  )
}

function one(type: Plain, name: string, help: string, value: Value): Family {
  return family(type, name, help, [{ labels: {}, value }])
}

function family(type: Plain, name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type, samples }
}
