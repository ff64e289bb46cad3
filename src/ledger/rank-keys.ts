// Which keys come first in a stretch of time: found in the sums by key, so that only of those that are shown more has to be
// read. Whose each is says the configuration; by that its rows are looked up.
import { IS_LIVE_KEY } from '../core/routing/shadow.ts'
import { type KeyOwner, type LedgerState, type SourceQuery, sourceOf } from './report-source.ts'

export interface RankQuery {
  readonly fromMs: number
  readonly toMs: number
  /** By the sum of this, the largest first: a column, or several with + between them. */
  readonly by: string
  /** As many keys. */
  readonly limit: number
  /** Only these tenants' and these teams'; everybody's where null. */
  readonly tenants: readonly string[] | null
  readonly teams: readonly string[] | null
}

export interface Ranking {
  /** In their order. */
  readonly ids: readonly string[]
  /** The same with whose they are; null where one isn't configured any more. */
  readonly owners: readonly KeyOwner[] | null
  /** How many keys there are in all. */
  readonly count: number
}

/** The keys of clients that were used in [fromMs, toMs). */
export async function rankKeys(db: D1Database, query: RankQuery, state: LedgerState): Promise<Ranking> {
  const { fromMs, toMs, by, limit, tenants, teams } = query
  const source: SourceQuery = {
    ...{ fromMs, toMs, time: null, withFeedback: false, isByKey: true },
    // Nothing that needn't be: what is sorted by is most of the time.
    dimensions: teams === null ? ['key_id'] : ['key_id', 'team_id'],
    sums: [...new Set([...by.split(' + '), 'requests'])],
    ...(tenants === null ? {} : { tenants }),
  }
  const { sql, parameters } = sourceOf(source, state)
  const isOwn = teams === null ? '' : `AND team_id IN (SELECT value FROM json_each(?${parameters.length + 1}))`
  const found = await db
    .prepare(
      `SELECT key_id, count(*) OVER () AS count FROM (${sql}) WHERE ${IS_LIVE_KEY} ${isOwn}
      GROUP BY key_id ORDER BY sum(${by}) DESC, sum(requests) DESC, key_id LIMIT ${limit}`,
    )
    .bind(...parameters, ...(teams === null ? [] : [JSON.stringify(teams)]))
    .all<{ key_id: string; count: number }>()
  const ids = found.results.map(({ key_id }) => key_id)
  return { ids, owners: await ownersOf(db, ids), count: found.results[0]?.count ?? 0 }
}

/** Whose keys are; null where one of them isn't configured any more, or never was. */
export async function ownersOf(db: D1Database, ids: readonly string[]): Promise<readonly KeyOwner[] | null> {
  const wanted = [...new Set(ids)]
  const found = await db
    .prepare(
      `SELECT tenant_id, coalesce(team_id, '') AS team_id, id AS key_id FROM virtual_keys
      WHERE id IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(wanted))
    .all<KeyOwner>()
  return found.results.length === wanted.length ? found.results : null
}
