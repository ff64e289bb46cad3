// Data for the dashboard's tests: a gateway with two tenants, awkward names, and traffic over a month, all from a seed.
import type { ApiBudgetStand, ApiKey, ApiLimits, ApiOverview, ApiRequestRow } from '../../src/dashboard/api-types.ts'

export const SCRIPT_NAME = '<script>window.stolen = 1</script><img src=x onerror="window.stolen = 2">'

const NO_LIMITS: ApiLimits = { tokens_per_minute: null, budget: null }

export const KEYS: readonly ApiKey[] = [
  key('key_ranker', 'ten_acme', 'team_search', 'ranker-production', budget('25', 'day', '25410000000')),
  key('key_bot', 'ten_acme', 'team_support', 'support-bot', budget('10', 'day', '8460000000')),
  key('key_batch', 'ten_globex', null, 'nightly-batch', budget('100', 'month', '12000000000')),
  key('key_script', 'ten_globex', null, SCRIPT_NAME, NO_LIMITS),
]

type Configured = Omit<ApiOverview, 'budgets' | 'budget_counts' | 'key_counts'>

const CONFIGURED: Configured = {
  environment: 'local',
  revision: 7,
  tenants: [
    { id: 'ten_acme', name: 'Acme', limits: budget('500', 'month', '212340000000'), cache: null },
    { id: 'ten_globex', name: 'Globex', limits: NO_LIMITS, cache: null },
  ],
  teams: [
    { id: 'team_search', tenant_id: 'ten_acme', name: 'Search', limits: NO_LIMITS },
    { id: 'team_support', tenant_id: 'ten_acme', name: 'Support', limits: budget('80', 'week', '44100000000') },
  ],
  targets: [],
  routes: [
    { id: 'route_1', model: 'gpt-*' },
    { id: 'route_2', model: 'gpt-4o-mini' },
  ],
}

export const OVERVIEW = withKeys(CONFIGURED, KEYS)

/** A gateway that is set up and has seen nothing. */
export const FRESH_OVERVIEW = withKeys({ ...CONFIGURED, tenants: CONFIGURED.tenants.slice(1), teams: [] }, [
  key('key_first', 'ten_globex', null, 'first', NO_LIMITS),
])

/** A gateway with many keys, every fourth of them revoked; each with a budget of its own. */
export function manyKeys(count: number): { readonly overview: ApiOverview; readonly keys: readonly ApiKey[] } {
  const keys = Array.from({ length: count }, (_, at) => {
    const spent = String(((at * 7_919) % 1_000) * 12_000_000)
    const made = key(
      `key_${at}`,
      at % 3 === 0 ? 'ten_globex' : 'ten_acme',
      null,
      `service-${at}`,
      budget('10', 'day', spent),
    )
    return at % 4 === 3 ? { ...made, status: 'revoked' as const } : made
  })
  return { overview: withKeys(CONFIGURED, keys), keys }
}

const PLAIN_ATTEMPT: ApiRequestRow = {
  request_id: 'req',
  attempt: 1,
  started_at_ms: 0,
  tenant: 'ten_acme',
  team: 'team_search',
  key: 'key_ranker',
  cost_center: 'cc-search',
  tags: ['feature:rank'],
  trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  protocol: 'chat',
  streamed: true,
  requested_model: 'gpt-4o-mini',
  route: 'route_2',
  target: 'tgt_openai',
  provider: 'openai',
  model: 'gpt-4o-mini',
  status: 200,
  ending: 'finished',
  failure: null,
  cache: 'miss',
  is_final: true,
  input_tokens: 1_200,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
  output_tokens: 310,
  reasoning_tokens: 0,
  is_estimated: false,
  cost_nano_usd: '366000',
  saved_nano_usd: '0',
  price_version: 'genai-prices 0.1.8',
  latency_ms: 1_840,
  ttft_ms: 312,
  after_ms: 0,
  plan: null,
}

/** An attempt like any other but for `fields`. */
export function attempt(fields: Partial<ApiRequestRow>): ApiRequestRow {
  return { ...PLAIN_ATTEMPT, ...fields }
}

/** Five attempts of four requests whose sums are easy to check by hand, the newest at `nowMs`. */
export function handChecked(nowMs: number): readonly ApiRequestRow[] {
  return [
    attempt({
      request_id: 'req_script',
      started_at_ms: nowMs - 1_000,
      tenant: 'ten_globex',
      team: null,
      key: 'key_script',
      cost_nano_usd: '123456',
      input_tokens: 100,
      output_tokens: 23,
    }),
    attempt({
      request_id: 'req_hit',
      started_at_ms: nowMs - 2_000,
      attempt: 0,
      cache: 'hit',
      provider: null,
      model: null,
      target: null,
      cost_nano_usd: '0',
      saved_nano_usd: '366000',
      input_tokens: 0,
      output_tokens: 0,
      ttft_ms: 4,
      latency_ms: 6,
    }),
    attempt({
      request_id: 'req_fallback',
      started_at_ms: nowMs - 3_000,
      attempt: 2,
      provider: 'anthropic',
      model: 'claude-sonnet-4-5',
      target: 'tgt_anthropic',
      cost_nano_usd: '12345678901',
      input_tokens: 2_000_000,
      cache_read_tokens: 400_000,
      output_tokens: 50_000,
      after_ms: 120,
    }),
    attempt({
      request_id: 'req_fallback',
      started_at_ms: nowMs - 3_000,
      attempt: 1,
      is_final: false,
      status: 503,
      ending: 'failed',
      failure: 'overloaded',
      cost_nano_usd: '0',
      input_tokens: 0,
      output_tokens: 0,
      ttft_ms: null,
      latency_ms: 120,
    }),
    attempt({
      request_id: 'req_limited',
      started_at_ms: nowMs - 4_000,
      attempt: 0,
      key: 'key_bot',
      team: 'team_support',
      status: 429,
      ending: 'failed',
      failure: 'rate-limited',
      cost_nano_usd: '0',
      input_tokens: 0,
      output_tokens: 0,
      provider: null,
      model: null,
      target: null,
      ttft_ms: null,
      latency_ms: 1,
    }),
  ]
}

const MODELS = [
  { provider: 'openai', model: 'gpt-4o-mini', nanoPerToken: 300 },
  { provider: 'openai', model: 'gpt-4.1', nanoPerToken: 4_200 },
  { provider: 'anthropic', model: 'claude-sonnet-4-5', nanoPerToken: 7_000 },
  { provider: 'anthropic', model: 'claude-haiku-4-5', nanoPerToken: 2_000 },
  { provider: 'gemini', model: 'gemini-2.5-flash', nanoPerToken: 900 },
]

/** `count` requests thinning out over thirty days before `nowMs`, newest first. The same seed gives the same traffic. */
export function traffic(nowMs: number, count: number, seed: number): readonly ApiRequestRow[] {
  const draw = drawsFrom(seed)
  const rows = Array.from({ length: count }, (_, index) => drawnAttempt(nowMs, index, draw))
  return rows.sort((a, b) => b.started_at_ms - a.started_at_ms)
}

function drawnAttempt(nowMs: number, index: number, draw: () => number): ApiRequestRow {
  const served = MODELS[Math.floor(draw() ** 1.6 * MODELS.length)] ?? {
    provider: 'openai',
    model: 'gpt-4o-mini',
    nanoPerToken: 300,
  }
  const owner = KEYS[Math.floor(draw() ** 1.5 * KEYS.length)]
  const isFailed = draw() < 0.03
  const isHit = !isFailed && draw() < 0.15
  const output = Math.floor(50 + draw() * 1_500)
  const input = Math.floor(200 + draw() * 6_000)
  const cost = String((input + output) * served.nanoPerToken)
  return attempt({
    request_id: `req_${index}`,
    started_at_ms: Math.floor(nowMs - draw() ** 2.2 * 30 * 86_400_000),
    ...(owner === undefined ? {} : { tenant: owner.tenant_id, team: owner.team_id, key: owner.id }),
    requested_model: served.model,
    provider: isHit ? null : served.provider,
    model: served.model,
    status: isFailed ? 502 : 200,
    ending: isFailed ? 'provider-cut' : 'finished',
    cache: isHit ? 'hit' : 'miss',
    cost_nano_usd: isHit || isFailed ? '0' : cost,
    saved_nano_usd: isHit ? cost : '0',
    input_tokens: isHit ? 0 : input,
    output_tokens: isHit ? 0 : output,
    latency_ms: isHit ? 5 : Math.floor(400 + draw() * 9_000),
    ttft_ms: isFailed ? null : isHit ? 3 : Math.floor(150 + draw() * 700),
  })
}

/** mulberry32: small, seeded, good enough to spread test traffic. */
function drawsFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The configuration with counts of its keys and how its budgets stand; of keys, the 50 used most. */
function withKeys(configured: Configured, keys: readonly ApiKey[]): ApiOverview {
  const { teams, tenants } = configured
  const active = keys.filter(({ status }) => status === 'active')
  const ofKeys = budgetsOf(active, 'key').toSorted((a, b) => usedOf(b) - usedOf(a))
  const all = [...ofKeys, ...budgetsOf(teams, 'team'), ...budgetsOf(tenants, 'tenant')]
  const groups = Map.groupBy(keys, ({ tenant_id, team_id }) => JSON.stringify([tenant_id, team_id]))
  const key_counts = [...groups].map(([place, own]) => {
    const [tenant_id, team_id]: [string, string | null] = JSON.parse(place)
    return { tenant_id, team_id, count: own.length, active: own.filter(({ status }) => status === 'active').length }
  })
  const budget_counts = {
    all: all.length,
    high: all.filter((one) => usedOf(one) >= 0.8 && usedOf(one) < 1).length,
    exhausted: all.filter((one) => usedOf(one) >= 1).length,
  }
  return { ...configured, key_counts, budget_counts, budgets: [...ofKeys.slice(0, 50), ...all.slice(ofKeys.length)] }
}

function usedOf({ used_usd, limit_usd }: ApiBudgetStand): number {
  return Number(used_usd) / Number(limit_usd)
}

/** How the budgets of keys, teams or tenants stand. */
export function budgetsOf(
  owners: readonly { readonly id: string; readonly limits: ApiLimits }[],
  scope: 'key' | 'team' | 'tenant',
): readonly ApiBudgetStand[] {
  return owners.flatMap(({ id, limits: { budget: own } }) => {
    if (own === null) return []
    const used_usd = (Number(own.spent_nano_usd ?? '0') / 1e9).toFixed(9)
    return [{ scope, id, model: null, period: own.period, limit_usd: own.amount_usd, used_usd, resets_at_ms: 0 }]
  })
}

function budget(amount_usd: string, period: 'hour' | 'day' | 'week' | 'month', spent_nano_usd: string): ApiLimits {
  return { tokens_per_minute: null, budget: { amount_usd, period, spent_nano_usd } }
}

function key(id: string, tenant_id: string, team_id: string | null, name: string, limits: ApiLimits): ApiKey {
  return {
    id,
    kid: id.slice(4),
    tenant_id,
    team_id,
    name,
    cost_center: null,
    status: 'active',
    created_at_ms: 1_790_000_000_000,
    expires_at_ms: null,
    limits,
  }
}
