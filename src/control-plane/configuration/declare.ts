// From a document to the state that it declares. Nothing is changed here: what comes out is a state to be compared and
// committed, or all that is wrong with the document.
import type * as z from 'zod/mini'
import { PRICE_RULES_MAX } from '../../core/money/price-book.ts'
import { SWITCHES_MAX } from '../../core/switches.ts'
import { WATCHED_MAX } from '../../ledger/canary-watch.ts'
import { PRESETS_MAX } from '../routes/presets.ts'
import { ROWS_MAX } from '../store.ts'
import { refusalOf } from '../http/validate.ts'
import { declareKeys, declareTeams, declareTenants } from './declare-accounts.ts'
import { declareCredentials } from './declare-credentials.ts'
import { declareChannels, declarePresets, declarePrices, declareRules, declareSwitches } from './declare-others.ts'
import { declareRoutes } from './declare-routes.ts'
import { declareTargets, expandModel } from './declare-targets.ts'
import { type DeclareContext, Declaring, type Problem } from './declaring.ts'
import { brokenLinks } from './links.ts'
import { prune } from './prune.ts'
import { type ConfigurationDocument, DOCUMENT } from './schemas.ts'
import { type State, TABLES, type TableName, rowsOf } from './state.ts'

/** Problems of one document that are told. */
const PROBLEMS_MAX = 100

/** Reads a document by its schema: the document, or every problem of it. */
export function readDocument(
  value: unknown,
):
  | { readonly ok: true; readonly value: ConfigurationDocument }
  | { readonly ok: false; readonly problems: readonly Problem[] } {
  const read: z.core.util.SafeParseResult<ConfigurationDocument> = DOCUMENT.safeParse(value)
  if (read.success) return { ok: true, value: read.data }
  const problems = read.error.issues.slice(0, PROBLEMS_MAX).map((issue) => {
    const { field, code, message } = refusalOf(issue)
    return { field, code, message }
  })
  return { ok: false, problems }
}

/** The state after `document`. `origin`: where the gateway is reached. */
export async function declare(
  document: ConfigurationDocument,
  before: State,
  context: DeclareContext,
  origin: string,
): Promise<Declaring> {
  const declaring = new Declaring(before, context)
  const models = (document.models ?? []).map((entry, index) => expandModel(entry, `models[${index}]`))
  const placed = <Body>(section: string, bodies: readonly Body[] = []) =>
    bodies.map((body, index) => ({ body, at: `${section}[${index}]` }))
  declareTenants(declaring, document.tenants ?? [])
  declareTeams(declaring, document.teams ?? [])
  await declareKeys(declaring, document.keys ?? [])
  declareCredentials(declaring, document.credentials ?? [])
  await declareTargets(declaring, [...models.map(({ target }) => target), ...placed('targets', document.targets)])
  declareRoutes(declaring, [...models.map(({ route }) => route), ...placed('routes', document.routes)])
  declarePresets(declaring, document.presets ?? [])
  declarePrices(declaring, document.prices ?? [])
  await declareChannels(declaring, document.alert_channels ?? [], origin)
  declareRules(declaring, document.alert_rules ?? [])
  declareSwitches(declaring, document.switches ?? [])
  if (context.prune && declaring.problems.length === 0) prune(declaring, document)
  if (declaring.problems.length === 0)
    declaring.problems.push(...brokenLinks(declaring.draft), ...overfull(declaring.draft))
  return declaring
}

const MOST: Readonly<Partial<Record<TableName, number>>> = {
  prices: PRICE_RULES_MAX,
  presets: PRESETS_MAX,
  switches: SWITCHES_MAX,
}

/** Tables that would have more rows than they may. */
function overfull(state: State): readonly Problem[] {
  const watched = [...state.routes.values()].filter((row) => row.watched_since_ms !== null).length
  const counted = TABLES.map((table) => {
    const most = MOST[table] ?? ROWS_MAX
    return [table, rowsOf(state, table).size, most] as const
  })
  return [...counted, ['watched routes', watched, WATCHED_MAX] as const].flatMap(([what, count, most]) => {
    if (count <= most) return []
    return [
      { field: null, code: 'full', message: `There would be ${count} ${what.replaceAll('_', ' ')}; ${most} may be.` },
    ]
  })
}
