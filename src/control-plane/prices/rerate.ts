// `POST /rerate`: history at the prices that hold for it now. For when a price was wrong: a price whose `from` lies in the
// past is added, or the target's put right, and then what was charged since is charged the difference.
import { Hono } from 'hono'
import * as z from 'zod/mini'
import { findPrice } from '../../catalog/price-catalogue.ts'
import type { Target } from '../../core/directory.ts'
import { type NamedPrice, PriceBook } from '../../core/money/price-book.ts'
import { type RatedAttempt, rerate } from '../../ledger/rerate.ts'
import { noteEntry } from '../audit/audit-record.ts'
import { entryBy } from '../access/caller.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { activeList } from './price-lists.ts'
import { ruleOf, unpricedOf } from './price-record.ts'
import { readCompiled } from '../publish/publish.ts'
import { refuse, unacceptable } from '../http/refusal.ts'
import { INSTANT, NAME, OBJECT, readInstant, text } from '../schemas.ts'
import { type PriceRow, type TargetRow, type TenantRow, listRows } from '../store.ts'
import { jsonBody } from '../http/validate.ts'

const ID_ALLOWED = 'must be 1 to 60 letters, digits, dots, dashes or underscores'
const RERATE = z.strictObject(
  {
    id: z.string(ID_ALLOWED).check(z.regex(/^[A-Za-z0-9._-]{1,60}$/, ID_ALLOWED)),
    from: INSTANT,
    to: INSTANT,
    model: z.optional(z.nullable(text(200))),
    provider: z.optional(z.nullable(NAME)),
    dry_run: z.optional(z.boolean('must be true or false')),
    after: z.optional(z.nullable(text(300))),
  },
  OBJECT,
)

/** The admin API's `/rerate`. */
export function rerateEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>().post('/', jsonBody(RERATE), async (c) => {
    const body = c.req.valid('json')
    const [fromMs, toMs] = [readInstant(body.from) ?? 0, readInstant(body.to) ?? 0]
    if (fromMs >= toMs) return refuse(c, unacceptable('from', 'invalid_field', 'from must be before to.'))
    const isDryRun = body.dry_run === true
    const { id, model = null, provider = null, after = null } = body
    const priceOf = await presentPrices(c.env.DB)
    const done = await rerate(c.env.DB, { id, fromMs, toMs, model, provider, isDryRun, after }, priceOf, ports.nowMs())
    const { attempts, changed, unpriced, next } = done
    const sums = { before_nano_usd: String(done.beforeNanoUsd), after_nano_usd: String(done.afterNanoUsd) }
    if (!isDryRun && changed > 0) {
      const detail = { from: body.from, to: body.to, model, provider, attempts, changed, ...sums }
      await noteEntry(c.env.DB, 'ledger.rerate', id, { ...entryBy(c), detail }).run()
    }
    return c.json({ id, dry_run: isDryRun, attempts, changed, unpriced, ...sums, next })
  })
}

/** What each attempt would be charged if it were made at its time by the prices as they are known now. */
async function presentPrices(db: D1Database): Promise<(attempt: RatedAttempt) => Promise<NamedPrice | null>> {
  const [targets, prices, tenants] = await Promise.all([
    listRows<TargetRow>(db, 'targets'),
    listRows<PriceRow>(db, 'prices'),
    listRows<TenantRow>(db, 'tenants'),
  ])
  const { list } = await activeList(db)
  const book = new PriceBook()
  book.take(prices.map(ruleOf))
  const byId = new Map(targets.map((row) => [row.id, readCompiled(row)]))
  const policies = new Map(tenants.map((row) => [row.id, unpricedOf(row)]))
  const listed = new Map<string, NamedPrice | null>()
  const ownPrice = async (
    target: Target | undefined,
    { provider, model }: RatedAttempt,
  ): Promise<NamedPrice | null> => {
    const isOwn = target !== undefined && (target.model === model || target.model === '*')
    if (isOwn && target.price !== null) return { price: target.price, priceVersion: target.priceVersion ?? '' }
    const key = `${provider}\n${model}`
    const known = listed.get(key)
    if (known !== undefined) return known
    const found = await findPrice(provider, model, list)
    listed.set(key, found)
    return found
  }
  return async (attempt) => {
    const own = await ownPrice(byId.get(attempt.targetId ?? ''), attempt)
    const { provider, model, tenantId, startedAtMs: atMs } = attempt
    const priced = { provider, model, price: own?.price ?? null, priceVersion: own?.priceVersion ?? null }
    return book.priceOf(priced, { tenantId, atMs, unpriced: policies.get(tenantId) })
  }
}
