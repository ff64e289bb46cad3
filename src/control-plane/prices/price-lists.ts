// The price lists that were fetched, which of them counts, and what follows when another one does: targets at listed prices
// are priced anew, and the list goes to KV for targets that pass every model on. A list is named by a digest of what it says.
// The built-in one counts until another was fetched, and again when it is pinned, or newer than what was fetched.
import { type PriceList, builtInList, findPrice, isListed } from '../../catalog/price-catalogue.ts'
import { LISTED_AS_OF } from '../../catalog/listed-prices.ts'
import { PRICE_LIST_NAME, type Target } from '../../core/directory.ts'
import { type Result, err, ok } from '../../core/result.ts'
import type { GatewayEnv } from '../../env.ts'
import { type Entry, noteEntry } from '../audit/audit-record.ts'
import { listObjection, readFeed } from './price-feed.ts'
import { type PublishEnv, publishRouting, readCompiled } from '../publish/publish.ts'
import { type TargetRow, commit, listRows, updateRow } from '../store.ts'

export type PriceListEnv = PublishEnv & Pick<GatewayEnv, 'PRICE_LIST_URL'>

export interface PriceListRow {
  readonly version: string
  readonly fetched_at_ms: number
  readonly source: string
  readonly is_pinned: number
  /** Null for the built-in one. */
  readonly lines: string | null
}

export const BUILT_IN = 'built-in'
const LISTS_MAX = 10
const BYTES_MAX = 8 * 1024 * 1024
const FETCH_MS_MAX = 20_000

/** The list that counts, and its name. */
export async function activeList(db: D1Database): Promise<{ readonly version: string; readonly list: PriceList }> {
  const { results } = await db
    .prepare(`SELECT * FROM price_lists ORDER BY is_pinned DESC, fetched_at_ms DESC LIMIT 1`)
    .all<PriceListRow>()
  const [row] = results
  const isOutdated = row?.is_pinned !== 1 && (row?.fetched_at_ms ?? 0) < Date.parse(`${LISTED_AS_OF}T12:00:00Z`)
  if (row === undefined || row.lines === null || isOutdated) return { version: BUILT_IN, list: await builtInList() }
  const day = new Date(row.fetched_at_ms).toISOString().slice(0, 10)
  return { version: row.version, list: { origin: `genai-prices-${row.version}@${day}`, lines: row.lines } }
}

/** Fetches the list anew, and has it count if it may; in words why not. One that is pinned goes on to count. */
export async function refreshList(env: PriceListEnv, nowMs: number): Promise<Result<string, string>> {
  const url = env.PRICE_LIST_URL ?? ''
  if (url === '') return err('PRICE_LIST_URL is not set')
  const feed = await fetchFeed(url)
  if (!feed.ok) return feed
  const read = readFeed(feed.value, new Date(nowMs).toISOString().slice(0, 10))
  if (!read.ok) return read
  const before = await activeList(env.DB)
  const objection = listObjection(before.list.lines, read.value)
  if (objection !== null) return err(`refused: ${objection}`)
  const version = await digestOf(read.value)
  if (version === before.version) return ok(version)
  await bumping(
    env.DB,
    env.DB.prepare(
      `INSERT INTO price_lists (version, fetched_at_ms, source, is_pinned, lines) VALUES (?1, ?2, ?3, 0, ?4)
       ON CONFLICT (version) DO UPDATE SET fetched_at_ms = excluded.fetched_at_ms`,
    ).bind(version, nowMs, url, read.value),
  )
  await env.DB.prepare(
    `DELETE FROM price_lists WHERE is_pinned = 0 AND version NOT IN
     (SELECT version FROM price_lists ORDER BY fetched_at_ms DESC LIMIT ${LISTS_MAX})`,
  ).run()
  await applyList(env)
  return ok(version)
}

async function fetchFeed(url: string): Promise<Result<unknown, string>> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS_MAX) })
    if (!response.ok) return err(`the list’s address answered ${response.status}`)
    if (Number(response.headers.get('content-length') ?? 0) > BYTES_MAX) return err('the list is too large')
    const text = await response.text()
    if (text.length > BYTES_MAX) return err('the list is too large')
    const feed: unknown = JSON.parse(text)
    return ok(feed)
  } catch (error) {
    return err(`the list could not be fetched: ${String(error).slice(0, 200)}`)
  }
}

/** Has one list count until another word; null lets go of it. False where there is none of that name. */
export async function pinList(
  env: PriceListEnv,
  version: string | null,
  { nowMs, entry }: { readonly nowMs: number; readonly entry: Entry },
): Promise<boolean> {
  const { DB: db } = env
  if (version === BUILT_IN) {
    const insert = `INSERT INTO price_lists (version, fetched_at_ms, source, is_pinned) VALUES (?1, 0, '', 0) ON CONFLICT DO NOTHING`
    await db.prepare(insert).bind(BUILT_IN).run()
  }
  if (version !== null) {
    const found = await db.prepare(`SELECT 1 FROM price_lists WHERE version = ?1`).bind(version).first()
    if (found === null) return false
  }
  await bumping(db, db.prepare(`UPDATE price_lists SET is_pinned = (version IS ?1)`).bind(version))
  await noteEntry(db, 'price_lists.pin', version ?? '', { ...entry, detail: { at_ms: nowMs } }).run()
  await applyList(env)
  return true
}

/** Changes what counts, which is a change of the configuration: what isolates remember of prices ends with its revision. */
async function bumping(db: D1Database, statement: D1PreparedStatement): Promise<void> {
  await db.batch([statement, db.prepare(`UPDATE configuration SET revision = revision + 1 WHERE id = 1`)])
}

/** Targets at listed prices, and those without any, get the price of the list that counts. */
async function applyList(env: PriceListEnv): Promise<void> {
  const { version, list } = await activeList(env.DB)
  for (const row of await listRows<TargetRow>(env.DB, 'targets')) {
    const target = readCompiled(row)
    if (target.model === '*' || (target.priceVersion !== null && !isListed(target.priceVersion))) continue
    const found = await findPrice(target.provider, target.model, list)
    // What the list has no longer keeps the price that it had.
    if (found === null || JSON.stringify(found.price) === JSON.stringify(target.price)) continue
    const priced: Target = { ...target, ...found }
    const after: TargetRow = { ...row, compiled: JSON.stringify(priced) }
    const change = updateRow(env.DB, 'targets', after)
    await commit(env.DB, change, { who: 'price list', reason: version })
  }
  if (version === BUILT_IN) await env.DIRECTORY.delete(PRICE_LIST_NAME)
  else await env.DIRECTORY.put(PRICE_LIST_NAME, JSON.stringify(list))
  await publishRouting(env)
}

async function digestOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return [...new Uint8Array(digest, 0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
