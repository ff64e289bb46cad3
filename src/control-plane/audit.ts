// `GET /audit`: the audit log, page by page.
import { Hono } from 'hono'
import * as z from 'zod/mini'
import { readAudit } from './audit-record.ts'
import type { AdminTypes } from './ports.ts'
import { query } from './validate.ts'

const PAGE_DEFAULT = 50
const PAGE_MAX = 500

const LIMIT_ALLOWED = `must be an integer from 1 to ${PAGE_MAX}`
const BEFORE_ALLOWED = 'must be the next of an earlier page'
const AUDIT = z.strictObject({
  limit: z.optional(
    z
      .string(LIMIT_ALLOWED)
      .check(
        z.refine((text) => /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= PAGE_MAX, LIMIT_ALLOWED),
      ),
  ),
  before: z.optional(z.string(BEFORE_ALLOWED).check(z.regex(/^\d{1,15}$/, BEFORE_ALLOWED))),
  subject: z.optional(z.string('must be the id of what changed')),
})

/** The admin API's `/audit`: entries newest first; `next` is the `before` of the next page, null where there is none. */
export function auditEndpoints() {
  return new Hono<AdminTypes>().get('/', query(AUDIT), async (c) => {
    const { limit, before, subject } = c.req.valid('query')
    const asked = { limit: Number(limit ?? PAGE_DEFAULT), before: before === undefined ? null : Number(before) }
    return c.json(await readAudit(c.env.DB, { ...asked, subject: subject ?? null }))
  })
}
