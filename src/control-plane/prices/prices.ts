// What is charged in place of the listed price: prices, margins and discounts for providers and models, for everybody or for
// one tenant, from a date on. A row is never changed: another one with a later date takes its place, and what was charged by
// it can still be explained. Published with the routing snapshot.
import { Hono } from 'hono'
import * as z from 'zod/mini'
import { priceVersionOf } from '../../catalog/price-units.ts'
import { PROVIDERS } from '../../catalog/providers.ts'
import { PRICE_RULES_MAX } from '../../core/money/price-book.ts'
import { randomBase62 } from '../../core/virtual-key.ts'
import { readBasisPoints } from './amount.ts'
import { announce } from '../publish/announce.ts'
import { entryBy } from '../access/caller.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { priceOfRow, readPrice, viewPrice } from './price-record.ts'
import { publishRouting } from '../publish/publish.ts'
import { type Refusal, notFound, refuse, unacceptable } from '../http/refusal.ts'
import { type PriceListRow, activeList, pinList, refreshList } from './price-lists.ts'
import { PRICES } from './price-schemas.ts'
import { INSTANT, MODEL, NAME, OBJECT, readInstant, text } from '../schemas.ts'
import { type PriceRow, commit, deleteRow, findRow, findTenant, insertRow, listRows } from '../store.ts'
import { jsonBody, query } from '../http/validate.ts'

const PERCENT_ALLOWED = 'must be decimal text such as "-12.5", of at most two decimals, from -100 to 1000'
const NEW_PRICE_PROVIDER = z
  .string('must be a provider of the catalogue, or *')
  .check(
    z.refine(
      (value) => value === '*' || PROVIDERS.some((provider) => provider.name === value),
      'must be a provider of the catalogue, or *',
    ),
  )
export const NEW_PRICE = z.strictObject(
  {
    provider: NEW_PRICE_PROVIDER,
    model: MODEL,
    tenant: z.optional(z.nullable(NAME)),
    from: z.optional(INSTANT),
    price: z.optional(PRICES),
    adjust_percent: z.optional(
      z.string(PERCENT_ALLOWED).check(z.refine((value) => readBasisPoints(value) !== null, PERCENT_ALLOWED)),
    ),
    note: z.optional(z.nullable(text(500))),
  },
  OBJECT,
)

export type NewPrice = z.infer<typeof NEW_PRICE>

/** The admin API's `/prices`. */
export function priceEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/', query(PAGE), async (c) => {
      const page = paged(c.req.valid('query'), await listRows<PriceRow>(c.env.DB, 'prices'), viewRow)
      return c.json({ ...page, list: await viewLists(c.env.DB) })
    })
    .post('/refresh', async (c) => {
      const refreshed = await refreshList(c.env, ports.nowMs())
      if (refreshed.ok) return c.json(await viewLists(c.env.DB))
      return refuse(c, {
        status: 409,
        code: 'not_refreshed',
        field: null,
        message: `The list counts as before: ${refreshed.error}.`,
      })
    })
    .put('/pin', jsonBody(PIN), async (c) => {
      const { version } = c.req.valid('json')
      if (!(await pinList(c.env, version, { nowMs: ports.nowMs(), entry: entryBy(c) })))
        return refuse(c, notFound('price list', version ?? ''))
      return c.json(await viewLists(c.env.DB))
    })
    .post('/', jsonBody(NEW_PRICE), async (c) => {
      const body = c.req.valid('json')
      if ((body.price === undefined) === (body.adjust_percent === undefined)) return refuse(c, ONE_OF_TWO)
      const tenant = body.tenant == null ? null : await findTenant(c.env.DB, body.tenant)
      if (tenant === null && body.tenant != null) return refuse(c, notFound('tenant', body.tenant))
      if ((await listRows<PriceRow>(c.env.DB, 'prices')).length >= PRICE_RULES_MAX) return refuse(c, TOO_MANY)
      const id = `prc_${randomBase62(14, ports.randomBytes)}`
      const fromMs = (body.from === undefined ? null : readInstant(body.from)) ?? ports.nowMs()
      const row: PriceRow = {
        id,
        provider: body.provider,
        model: body.model,
        tenant_id: tenant?.id ?? null,
        from_ms: fromMs,
        ...chargeOf(id, fromMs, body),
        note: body.note ?? null,
        created_at_ms: ports.nowMs(),
      }
      const committed = await commit(c.env.DB, insertRow(c.env.DB, 'prices', row), entryBy(c))
      if (!committed.ok) return refuse(c, TOO_MANY)
      const problem = await announce(() => publishRouting(c.env))
      return problem === null ? c.json(viewRow(row), 201) : refuse(c, problem)
    })
    .get('/:id', async (c) => {
      const row = await findRow<PriceRow>(c.env.DB, 'prices', c.req.param('id'))
      return row === null ? refuse(c, notFound('price', c.req.param('id'))) : c.json(viewRow(row))
    })
    .delete('/:id', async (c) => {
      const row = await findRow<PriceRow>(c.env.DB, 'prices', c.req.param('id'))
      if (row === null) return refuse(c, notFound('price', c.req.param('id')))
      await commit(c.env.DB, deleteRow(c.env.DB, 'prices', row.id), entryBy(c))
      const problem = await announce(() => publishRouting(c.env))
      return problem === null ? c.body(null, 204) : refuse(c, problem)
    })
}

const PIN = z.strictObject({ version: z.nullable(text(100)) }, OBJECT)

async function viewLists(db: D1Database) {
  const [{ version, list }, rows] = await Promise.all([
    activeList(db),
    db
      .prepare(`SELECT version, fetched_at_ms, source, is_pinned FROM price_lists ORDER BY fetched_at_ms DESC`)
      .all<Omit<PriceListRow, 'lines'>>(),
  ])
  const lists = rows.results.map((row) => ({ ...row, is_pinned: row.is_pinned === 1 }))
  return { version, origin: list.origin, lists }
}

type Charge = Pick<PriceRow, 'price' | 'basis_points' | 'version'>

/** What a price row charges; its version names the row. */
export function chargeOf(id: string, fromMs: number, body: Pick<NewPrice, 'price' | 'adjust_percent'>): Charge {
  const since = new Date(fromMs).toISOString()
  if (body.price === undefined) {
    const points = readBasisPoints(body.adjust_percent ?? '0') ?? 0
    return { price: null, basis_points: points, version: `${points < 0 ? '' : '+'}${points / 100}%/${id}@${since}` }
  }
  const price = readPrice(body.price)
  return { price: JSON.stringify(price), basis_points: 0, version: priceVersionOf(`${id}@${since}`, price) }
}

function viewRow(row: PriceRow) {
  const price = priceOfRow(row)
  return {
    id: row.id,
    provider: row.provider,
    model: row.model,
    tenant_id: row.tenant_id,
    from_ms: row.from_ms,
    price: price === null ? null : viewPrice(price),
    adjust_percent: price === null ? row.basis_points / 100 : null,
    price_version: row.version,
    note: row.note,
    created_at_ms: row.created_at_ms,
  }
}

const ONE_OF_TWO: Refusal = unacceptable('price', 'invalid_field', 'price or adjust_percent is needed, and not both.')
const TOO_MANY: Refusal = {
  status: 409,
  code: 'too_many',
  field: null,
  message: `There are ${PRICE_RULES_MAX} prices already: delete some that hold no longer.`,
}
