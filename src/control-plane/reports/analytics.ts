// Reports by any metrics and groups, and exports of everything: `/admin/reports` and `/admin/exports/…`, as JSON, CSV or
// newline-delimited JSON by the `Accept` header.
import { Hono } from 'hono'
import * as z from 'zod/mini'
import { EXPORT_COLUMNS, EXPORT_START, exportPage } from '../../ledger/export-events.ts'
import { FOCUS_COLUMNS, FOCUS_START, focusPage } from '../../ledger/export-focus.ts'
import { DIMENSIONS, FACETS, GROUPS, METRICS, REPORT_ROWS_MAX, type Filters } from '../../ledger/report-query.ts'
import { type Report, type ReportRow, report } from '../../ledger/report.ts'
import { type Cell, CSV, type TableForm, acceptedForm, tableStream } from '../../ledger/table-text.ts'
import { scopeOf } from '../access/caller.ts'
import { type Scope, teamOf, tenantOf } from '../access/permissions.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { notFound, refuse, unacceptable } from '../http/refusal.ts'
import { byTenantId } from './tenant-filter.ts'
import { query } from '../http/validate.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const SPAN_MS_MAX = 800 * DAY_MS
const ROWS_DEFAULT = 1000
const FILTER_VALUES_MAX = 100

const INSTANT_ALLOWED = 'must be epoch ms'
const INSTANT = z.optional(z.string(INSTANT_ALLOWED).check(z.regex(/^\d{1,15}$/, INSTANT_ALLOWED)))
const LIMIT_ALLOWED = `must be an integer from 1 to ${REPORT_ROWS_MAX}`
const LIMIT = z.optional(
  z
    .string(LIMIT_ALLOWED)
    .check(z.refine((text) => /^[1-9]\d{0,4}$/.test(text) && Number(text) <= REPORT_ROWS_MAX, LIMIT_ALLOWED)),
)
const COMPARE_ALLOWED = 'must be previous'
const VALUES_ALLOWED = `must be a comma list of at most ${FILTER_VALUES_MAX} values`
export const FILTER_VALUES = z.optional(
  z.string(VALUES_ALLOWED).check(z.refine((text) => text.split(',').length <= FILTER_VALUES_MAX, VALUES_ALLOWED)),
)

function listOf(allowed: readonly string[]) {
  const message = `must be a comma list of ${allowed.join(', ')}, each once`
  return z.optional(z.string(message).check(z.refine((text) => namesIn(text, allowed) !== null, message)))
}

/** The names of a comma list, if all are allowed and none is there twice. */
function namesIn<Name extends string>(text: string, allowed: readonly Name[]): readonly Name[] | null {
  const names = text.split(',').filter((name) => name !== '')
  const found = names.flatMap((name) => allowed.filter((one) => one === name.trim()))
  return found.length === names.length && new Set(found).size === found.length ? found : null
}

const REPORT = z.strictObject({
  from: INSTANT,
  to: INSTANT,
  metrics: listOf(METRICS),
  group_by: listOf(GROUPS),
  limit: LIMIT,
  compare: z.optional(z.literal('previous', COMPARE_ALLOWED)),
  tenant: FILTER_VALUES,
  team: FILTER_VALUES,
  key: FILTER_VALUES,
  cost_center: FILTER_VALUES,
  provider: FILTER_VALUES,
  model: FILTER_VALUES,
  route: FILTER_VALUES,
  traffic: FILTER_VALUES,
  end_user: FILTER_VALUES,
  tag: FILTER_VALUES,
})
const EXPORT = z.strictObject({ from: INSTANT, to: INSTANT, tenant: z.optional(z.string()) })

/** The admin API's `/reports`, `/exports/events` and `/exports/focus`. */
export function analyticsEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/reports', query(REPORT), async (c) => {
      const named = await byTenantId(c.env.DB, scopeOf(c), c.req.valid('query'))
      if (!named.ok) return refuse(c, named.error)
      const asked = named.value
      const span = spanOf(asked, ports.nowMs())
      if (typeof span === 'string') return refuse(c, unacceptable('from', 'invalid_field', span))
      const groupBy = namesIn(asked.group_by ?? '', GROUPS) ?? []
      if (groupBy.includes('hour') && groupBy.includes('day')) {
        return refuse(c, unacceptable('group_by', 'invalid_field', 'group_by may have hour or day, not both.'))
      }
      const isCompared = asked.compare !== undefined
      if (isCompared && (groupBy.includes('hour') || groupBy.includes('day'))) {
        return refuse(c, unacceptable('compare', 'invalid_field', 'compare needs a group_by without hour and day.'))
      }
      const metrics = namesIn(asked.metrics ?? '', METRICS) ?? []
      const found = await report(c.env.DB, {
        ...span,
        metrics: metrics.length === 0 ? ['spend', 'requests'] : metrics,
        groupBy,
        filters: within(scopeOf(c), filtersOf(asked)),
        limit: Number(asked.limit ?? ROWS_DEFAULT),
        isCompared,
      })
      if (!found.ok) return refuse(c, unacceptable('group_by', 'not_kept', found.error))
      const form = acceptedForm(c.req.header('accept') ?? null)
      if (form === null) return c.json({ ...found.value, rows: found.value.rows.map(jsonRow) })
      return tableResponse(form, tableOf(found.value), 'report')
    })
    .get('/exports/:what{events|focus}', query(EXPORT), async (c) => {
      const named = await byTenantId(c.env.DB, scopeOf(c), c.req.valid('query'))
      if (!named.ok) return refuse(c, named.error)
      const asked = named.value
      const span = spanOf(asked, ports.nowMs())
      if (typeof span === 'string') return refuse(c, unacceptable('from', 'invalid_field', span))
      const form = acceptedForm(c.req.header('accept') ?? null) ?? CSV
      const scope = scopeOf(c)
      // Of another tenant there is nothing to tell.
      const tenantId = tenantOf(scope) === null ? (asked.tenant ?? null) : tenantOf(scope)
      if (asked.tenant !== undefined && asked.tenant !== tenantId) return refuse(c, notFound('tenant', asked.tenant))
      const owner = { tenantId, teamId: teamOf(scope) }
      if (c.req.param('what') === 'events') {
        const read = exportPage.bind(null, c.env.DB, { ...span, ...owner })
        return streamed(form, tableStream(form, EXPORT_COLUMNS, EXPORT_START, read), 'events')
      }
      const hours = { fromMs: Math.floor(span.fromMs / HOUR_MS) * HOUR_MS, toMs: span.toMs, ...owner }
      const read = focusPage.bind(null, c.env.DB, hours)
      return streamed(form, tableStream(form, FOCUS_COLUMNS, FOCUS_START, read), 'focus')
    })
}

/** The stretch of time that is asked for, or what is wrong with it. */
function spanOf(asked: { from?: string | undefined; to?: string | undefined }, nowMs: number) {
  const toMs = asked.to === undefined ? nowMs + 1 : Number(asked.to)
  const fromMs = asked.from === undefined ? Math.max(toMs - DAY_MS, 0) : Number(asked.from)
  if (fromMs >= toMs) return 'from must be before to.'
  return toMs - fromMs > SPAN_MS_MAX ? 'from must be at most 800 days before to.' : { fromMs, toMs }
}

/** What is to be reported of, by the names of a query. */
export function filtersOf(asked: Readonly<Record<string, string | undefined>>): Filters {
  const filters = [...DIMENSIONS, ...FACETS, 'traffic' as const].flatMap((name) => {
    const text = asked[name]
    return text === undefined ? [] : [[name, text.split(',').map((value) => value.trim())] as const]
  })
  return Object.fromEntries(filters)
}

/** What is asked for, as far as it is the caller's: of others there is nothing. */
export function within(scope: Scope, filters: Filters): Filters {
  const only = (asked: readonly string[] | undefined, own: string): readonly string[] => {
    return asked === undefined || asked.includes(own) ? [own] : []
  }
  if (scope.kind === 'deployment') return filters
  const ofTenant = { ...filters, tenant: only(filters.tenant, scope.tenantId) }
  return scope.kind === 'tenant' ? ofTenant : { ...ofTenant, team: only(filters.team, scope.teamId) }
}

function jsonRow({ values, previous, change }: ReportRow) {
  return previous === null ? values : { ...values, change, previous }
}

interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
}

function tableOf({ group_by, total, rows }: Report): Table {
  const values = Object.keys(total)
  const isCompared = rows.some(({ previous }) => previous !== null)
  const columns = [
    ...group_by,
    ...values,
    ...(isCompared ? ['change', ...values.map((name) => `previous_${name}`)] : []),
  ]
  return {
    columns,
    rows: rows.map((row) => [
      ...[...group_by, ...values].map((name) => row.values[name] ?? null),
      ...(isCompared ? [row.change, ...values.map((name) => row.previous?.[name] ?? null)] : []),
    ]),
  }
}

function tableResponse(form: TableForm, { columns, rows }: Table, name: string): Response {
  return streamed(form, form.head(columns) + rows.map((cells) => form.row(columns, cells)).join(''), name)
}

function streamed(form: TableForm, body: BodyInit, name: string): Response {
  const extension = form === CSV ? 'csv' : 'ndjson'
  return new Response(body, {
    headers: {
      'content-type': form.contentType,
      'content-disposition': `attachment; filename="${name}.${extension}"`,
      'cache-control': 'no-store',
    },
  })
}
