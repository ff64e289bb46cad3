// What the dashboard's overview reads: sums of a stretch of time with the dearest keys, models, teams and tenants, and their
// spending over time. Small answers, however much there is.
import { Hono } from 'hono'
import * as z from 'zod/mini'
import { history, summary, SUMMARY_DIMENSIONS, type SummaryDimension } from '../../ledger/summary.ts'
import { scopeOf } from '../access/caller.ts'
import { ownerIn } from '../access/permissions.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { refuse, unacceptable } from '../http/refusal.ts'
import { query } from '../http/validate.ts'

const DAY_MS = 86_400_000
const SPAN_MS_MAX = 400 * DAY_MS

const INSTANT_ALLOWED = 'must be epoch ms'
const INSTANT = z.optional(z.string(INSTANT_ALLOWED).check(z.regex(/^\d{1,15}$/, INSTANT_ALLOWED)))
const TABLES_ALLOWED = `must be a comma list of ${SUMMARY_DIMENSIONS.join(', ')}, or empty`
const SUMMARY = z.strictObject({
  from: INSTANT,
  to: INSTANT,
  tables: z.optional(z.string(TABLES_ALLOWED).check(z.refine((text) => readTables(text) !== null, TABLES_ALLOWED))),
})
const BUCKETS = ['hour', 'day'] as const
const HISTORY = z.strictObject({
  from: INSTANT,
  to: INSTANT,
  by: z.optional(z.enum(SUMMARY_DIMENSIONS, `must be one of ${SUMMARY_DIMENSIONS.join(', ')}`)),
  bucket: z.optional(z.enum(BUCKETS, `must be one of ${BUCKETS.join(', ')}`)),
})

/** The admin API's `/summary` and `/summary/history`. */
export function summaryEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/', query(SUMMARY), async (c) => {
      const { tables, ...asked } = c.req.valid('query')
      const span = spanOf(asked, ports.nowMs())
      if (typeof span === 'string') return refuse(c, unacceptable('from', 'invalid_field', span))
      const wanted = (tables === undefined ? null : readTables(tables)) ?? SUMMARY_DIMENSIONS
      return c.json(await summary(c.env.DB, { ...span, ...ownerIn(scopeOf(c)) }, wanted))
    })
    .get('/history', query(HISTORY), async (c) => {
      const { by = 'model', bucket = 'hour', ...asked } = c.req.valid('query')
      const span = spanOf(asked, ports.nowMs())
      if (typeof span === 'string') return refuse(c, unacceptable('from', 'invalid_field', span))
      return c.json(await history(c.env.DB, { ...span, by, bucket, ...ownerIn(scopeOf(c)) }))
    })
}

function readTables(text: string): readonly SummaryDimension[] | null {
  const names = text.split(',').filter((name) => name !== '')
  const known = names.flatMap((name) => SUMMARY_DIMENSIONS.filter((one) => one === name))
  return known.length === names.length ? known : null
}

/** The stretch of time that is asked for, the last day unless it says; or what is wrong with it. */
function spanOf(asked: { readonly from?: string | undefined; readonly to?: string | undefined }, nowMs: number) {
  const toMs = asked.to === undefined ? nowMs + 1 : Number(asked.to)
  const fromMs = asked.from === undefined ? Math.max(toMs - DAY_MS, 0) : Number(asked.from)
  if (fromMs >= toMs) return 'from must be before to.'
  return toMs - fromMs > SPAN_MS_MAX ? 'from must be at most 400 days before to.' : { fromMs, toMs }
}
