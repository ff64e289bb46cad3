// What the ledger has to say of a request that was answered with a recorded exchange.
import type { RequestRow } from '../../src/ledger/latest-requests.ts'
import type { RequestsPage } from '../../src/ledger/latest-requests.ts'
import { objectOf } from '../../src/wire/read.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Gateway } from '../support/account.ts'
import type { Reading } from './compare.ts'

/** Every attempt in the ledger, newest first. */
export async function allAttempts(gateway: Gateway): Promise<readonly RequestRow[]> {
  const rows: RequestRow[] = []
  for (let before = ''; ;) {
    const { body } = await gateway.admin('GET', `/admin/requests?limit=500${before}`)
    const page = pageOf(body)
    rows.push(...page.rows)
    if (page.next === null) return rows
    before = `&before=${page.next}`
  }
}

function pageOf(body: unknown): RequestsPage {
  const { rows } = objectOf(parseJson(JSON.stringify(body)))
  if (!Array.isArray(rows)) throw new Error(`no page of requests: ${JSON.stringify(body).slice(0, 200)}`)
  const page: RequestsPage = JSON.parse(JSON.stringify(body))
  return page
}

interface Asked {
  readonly expected: Pick<Reading, 'usage' | 'isError'>
  readonly client: Pick<Reading, 'isError' | 'usage'> & { readonly status: number }
}

/** What is wrong with the rows of one request; null for nothing. Prices are $1 and $2 per million. */
export function chargeObjection(rows: readonly RequestRow[], { expected, client }: Asked): string | null {
  const [row] = rows
  if (row === undefined || rows.length !== 1) return `${rows.length} rows`
  if (!row.is_final || row.attempt !== 1) return `attempt ${row.attempt}, final: ${row.is_final}`
  if (row.status !== client.status) return `status ${row.status}, the client got ${client.status}`
  if (client.isError !== (row.failure !== null)) return `failure ${row.failure}, the client's error: ${client.isError}`
  const prompt = row.input_tokens + row.cache_read_tokens + row.cache_write_tokens
  const completion = row.output_tokens + row.reasoning_tokens
  const { usage } = expected
  if (usage !== null && !expected.isError) {
    if (row.is_estimated) return 'estimated'
    if (prompt !== usage.prompt || completion !== usage.completion) {
      return `${prompt} and ${completion} tokens in place of ${usage.prompt} and ${usage.completion}`
    }
  }
  const cost = prompt * 1_000 + completion * 2_000
  if (Number(row.cost_nano_usd) !== cost) return `${row.cost_nano_usd} nano-USD in place of ${cost}`
  return row.price_version === null ? 'no version of the price' : null
}
