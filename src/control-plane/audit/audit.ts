// `GET /audit`: the audit log, page by page.
import { Hono } from 'hono'
import * as z from 'zod/mini'
import { readAudit } from './audit-record.ts'
import { scopeOf } from '../access/caller.ts'
import type { AdminTypes } from '../ports.ts'
import { text } from '../schemas.ts'
import { query } from '../http/validate.ts'

const PAGE_DEFAULT = 50
const PAGE_MAX = 500

const LIMIT_ALLOWED = `must be an integer from 1 to ${PAGE_MAX}`
const BEFORE_ALLOWED = 'must be the next of an earlier page'
const WHAT_ALLOWED = 'must be a kind of thing, as virtual_keys, or of change, as virtual_keys.create'
const INSTANT_ALLOWED = 'must be epoch ms'
const BEFORE = z.optional(z.string(BEFORE_ALLOWED).check(z.regex(/^\d{1,15}$/, BEFORE_ALLOWED)))
const AUDIT = z.strictObject({
  limit: z.optional(
    z
      .string(LIMIT_ALLOWED)
      .check(
        z.refine((text) => /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= PAGE_MAX, LIMIT_ALLOWED),
      ),
  ),
  cursor: BEFORE,
  /** The older name of the cursor. */
  before: BEFORE,
  subject: z.optional(z.string('must be the id of what changed')),
  who: z.optional(text(200)),
  what: z.optional(z.string(WHAT_ALLOWED).check(z.regex(/^[a-z_]{1,40}(?:\.[a-z-]{1,40})?$/, WHAT_ALLOWED))),
  from: z.optional(z.string(INSTANT_ALLOWED).check(z.regex(/^\d{1,15}$/, INSTANT_ALLOWED))),
  to: z.optional(z.string(INSTANT_ALLOWED).check(z.regex(/^\d{1,15}$/, INSTANT_ALLOWED))),
})

/** The admin API's `/audit`: entries newest first; `next` is the `cursor` of the next page, null where there is none. */
export function auditEndpoints() {
  return new Hono<AdminTypes>().get('/', query(AUDIT), async (c) => {
    const { limit, cursor, before = cursor, subject, who, what, from, to } = c.req.valid('query')
    const numberOf = (given: string | undefined): number | null => (given === undefined ? null : Number(given))
    const page = await readAudit(c.env.DB, {
      limit: numberOf(limit) ?? PAGE_DEFAULT,
      before: numberOf(before),
      subject: subject ?? null,
      who: who ?? null,
      what: what ?? null,
      fromMs: numberOf(from),
      toMs: numberOf(to),
      scope: scopeOf(c),
    })
    return c.json(page)
  })
}
