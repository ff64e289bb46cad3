// What is asked for in this run: every way in which an attempt can cost something, or nothing. Each says what its provider will
// bill for, so that the books can be held against the ledger. Prices in pico-USD per token ($1 a million: 1,000,000).

export const TENANTS = {
  wide: { limits: { rules: [{ kind: 'budget', amount_usd: '1000', period: 'month' }] }, pass_through: 'all' },
  /** What it has is used up long before the end. */
  tight: { limits: { rules: [{ kind: 'budget', amount_usd: '0.12', period: 'month' }] } },
  cached: { cache: { mode: 'all' }, limits: { rules: [{ kind: 'budget', amount_usd: '1000', period: 'month' }] } },
  /** Has prices of its own. */
  special: { limits: { rules: [{ kind: 'budget', amount_usd: '1000', period: 'month' }] } },
  /** Pays a margin on whatever the price is. */
  margin: { limits: { rules: [{ kind: 'budget', amount_usd: '1000', period: 'month' }] } },
  /** Its end users have budgets, of which some are used up. */
  users: {
    limits: { rules: [{ kind: 'budget', amount_usd: '1000', period: 'month' }] },
    end_user_limits: [{ kind: 'budget', amount_usd: '0.004', period: 'month' }],
  },
  /** Has no budget, and is let through while the limiter is away. */
  admitted: { limits: { tokens_per_minute: 1_000_000_000 }, limits_unavailable: 'admit' },
} as const

export type TenantName = keyof typeof TENANTS

export interface Price {
  readonly input: number
  readonly output: number
}

const FREE: Price = { input: 0, output: 0 }
/** Of models whose streams don't come to their end: what a prompt is was never told, so it costs nothing. */
const SEEN: Price = { input: 0, output: 10_000_000 }
const USUAL: Price = { input: 700_000, output: 3_000_000 }
export const SPECIAL: Price = { input: 1_000_000, output: 4_000_000 }
export const MARGIN_PERCENT = 15

/** A target, as the admin API takes it but for its price. */
export interface OwnTarget {
  readonly model: string
  readonly price: Price | null
  readonly max_retries?: number
  readonly hardware?: object
  readonly limits?: readonly object[]
  readonly batching?: object
}

/** Targets besides those for everything simulated, by id. */
export const TARGETS = {
  stalls: { model: 'sim-gpt-4o-stall20-left', price: SEEN },
  'stalls-too': { model: 'sim-claude-stall20-left', price: SEEN },
  runs: { model: 'sim-gpt-4o-tokens300-left', price: SEEN },
  tight: { model: 'sim-gpt-4o-tokens200-lumps5-tight', price: SEEN },
  cuts: { model: 'sim-gpt-4o-tokens30-errchunk12', price: SEEN },
  unsaid: { model: 'sim-gpt-4o-tokens20-nousage', price: SEEN },
  flaky: { model: 'sim-gpt-4o-fast-e503', price: SEEN, max_retries: 1 },
  broken: { model: 'sim-claude-fast-err200', price: SEEN },
  sound: { model: 'sim-gpt-4o-fast-tokens12-sound', price: SEEN },
  late: { model: 'sim-gpt-4o-slow700-tokens12-late', price: SEEN },
  early: { model: 'sim-gpt-4o-fast-tokens12-early', price: SEEN },
  dies: { model: 'sim-claude-tokens40-cut10', price: SEEN },
  heir: { model: 'sim-gpt-4o-fast-tokens40-heir', price: SEEN },
  free: { model: 'sim-gpt-4o-fast-tokens16-free', price: FREE },
  unpriced: { model: 'sim-gpt-4o-fast-tokens16-unpriced', price: null },
  hardware: { model: 'sim-gpt-4o-tokens10-hardware', price: FREE, hardware: { usd_per_hour: '3.6', at_once: 1 } },
  /** Has room for some of what comes. */
  narrow: {
    model: 'sim-gpt-4o-tokens20-lumps2-narrow',
    price: USUAL,
    limits: [
      { kind: 'concurrency', most: 1 },
      { kind: 'budget', amount_usd: '1000', period: 'month' },
    ],
  },
  roomy: { model: 'sim-gpt-4o-fast-tokens20-roomy', price: USUAL },
  mirrored: { model: 'sim-gpt-4o-fast-tokens14-mirrored', price: USUAL },
  mirror: { model: 'sim-gpt-4o-tokens18-lumps3-mirror', price: USUAL },
  users: { model: 'sim-gpt-4o-fast-tokens24-users', price: USUAL },
  /** A price that no share of a call comes out even at. */
  together: {
    model: 'sim-embed-together',
    price: { input: 333_337, output: 0 },
    batching: { max_batch_size: 4, max_wait_ms: 120 },
  },
} as const satisfies Record<string, OwnTarget>

/** Nano-USD a millisecond of it. */
export const HARDWARE_NANO_USD_PER_MS = 1_000

export const ROUTES: Readonly<
  Record<string, { readonly targets: readonly (keyof typeof TARGETS)[]; readonly more?: object }>
> = {
  left: { targets: ['stalls'] },
  'left-too': { targets: ['stalls-too'] },
  runs: { targets: ['runs'] },
  tight: { targets: ['tight'] },
  cuts: { targets: ['cuts'] },
  unsaid: { targets: ['unsaid'] },
  retried: { targets: ['flaky', 'sound'] },
  fallen: { targets: ['broken', 'sound'] },
  hedged: { targets: ['late', 'early'], more: { hedge: { after_ms: 80 } } },
  'gone-on': { targets: ['dies', 'heir'], more: { mid_stream_failover: true } },
  free: { targets: ['free'] },
  unpriced: { targets: ['unpriced'] },
  hardware: { targets: ['hardware'] },
  users: { targets: ['users'] },
  limited: { targets: ['narrow', 'roomy'] },
  mirrored: { targets: ['mirrored'], more: { shadow: { target: 'mirror', percent: 100, budget_usd: '100' } } },
  together: { targets: ['together'] },
}

/** The route whose requests are mirrored. */
export const MIRRORED = 'mirrored'

const BY_PREFIX: readonly (readonly [string, Price])[] = [
  ['gpt-4o-mini', { input: 150_000, output: 600_000 }],
  ['sim-gpt', { input: 2_500_000, output: 10_000_000 }],
  ['sim-claude', { input: 3_000_000, output: 15_000_000 }],
  ['sim-gemini', { input: 2_000_000, output: 12_000_000 }],
  ['sim-bedrock', { input: 800_000, output: 3_200_000 }],
  ['sim-', FREE],
]

/** What a tenant is charged for a provider's model. */
export function priceOf(tenant: TenantName, model: string): Price {
  const own = Object.values(TARGETS).find((target) => target.model === model)
  const listed = own === undefined ? BY_PREFIX.find(([prefix]) => model.startsWith(prefix))?.[1] : (own.price ?? FREE)
  if (listed === undefined) throw new Error(`${model} has no price here`)
  if (tenant === 'special' && own === undefined && model.startsWith('sim-gpt')) return SPECIAL
  if (tenant !== 'margin') return listed
  const withMargin = (pico: number): number => (pico * (100 + MARGIN_PERCENT)) / 100
  return { input: withMargin(listed.input), output: withMargin(listed.output) }
}

/** In which words it is asked. */
export type Wire = 'chat' | 'messages' | 'responses' | 'embeddings' | 'passed'

export interface Feature {
  readonly tenant: TenantName
  readonly wire: Wire
  readonly model: string
  readonly isStreamed: boolean
  /** The client leaves after so many tokens. */
  readonly leavesAfter?: number
  readonly more?: object
  /** Prompts that are asked again and again. */
  readonly prompts?: number
  /** Asked for by so many end users. */
  readonly users?: number
  /** So many clients ask at the same time. */
  readonly atOnce?: number
}

/** The end user of a request with that number; null where its feature has none. */
export function userOf({ users }: Feature, number: number): string | null {
  return users === undefined ? null : `user-${number % users}`
}

const TOOLS = {
  tools: [
    {
      type: 'function',
      function: {
        name: 'tide_at',
        description: 'The tide at a place',
        parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
      },
    },
  ],
}

function wide(wire: Wire, model: string, isStreamed: boolean, more: Partial<Feature> = {}): Feature {
  return { tenant: 'wide', wire, model, isStreamed, ...more }
}

export const FEATURES = {
  'chat, whole': wide('chat', 'sim-gpt-4o-fast-tokens24', false),
  'chat, streamed': wide('chat', 'sim-gpt-4o-tokens40-lumps4', true),
  'chat over Anthropic': wide('chat', 'sim-claude-tokens30-lumps3', true),
  'chat over Gemini': wide('chat', 'sim-gemini-3-flash-fast-tokens20', true),
  'chat over Bedrock': wide('chat', 'sim-bedrock-nova-fast-tokens20', true),
  'chat over Cohere': wide('chat', 'sim-command-fast-tokens20', true),
  'chat over Ollama': wide('chat', 'sim-llama-fast-tokens20', false),
  'chat over lines of JSON': wide('chat', 'sim-inhouse-fast-tokens20', true),
  'messages, streamed': wide('messages', 'sim-claude-tokens40-lumps4', true),
  'messages, whole': wide('messages', 'sim-claude-fast-tokens24', false),
  'messages over OpenAI': wide('messages', 'sim-gpt-4o-fast-tokens24', true),
  'responses, streamed': wide('responses', 'sim-gpt-4o-tokens24-lumps4', true),
  tools: wide('chat', 'sim-gpt-4o-fast', true, { more: TOOLS }),
  embeddings: wide('embeddings', 'sim-gpt-vectors', false),
  'pass-through, whole': wide('passed', 'gpt-4o-mini', false),
  'pass-through, streamed': wide('passed', 'gpt-4o-mini', true),
  'cache, whole': { ...wide('chat', 'sim-gpt-4o-fast-tokens24', false), tenant: 'cached', prompts: 12 },
  'cache, streamed': { ...wide('chat', 'sim-claude-fast-tokens24', true), tenant: 'cached', prompts: 12 },
  retries: wide('chat', 'retried', false),
  fallbacks: wide('chat', 'fallen', true),
  hedges: wide('chat', 'hedged', true),
  'mid-stream failover': wide('chat', 'gone-on', true),
  'provider breaks off': wide('chat', 'cuts', true),
  'no usage told': wide('chat', 'unsaid', true),
  'client leaves, silence': wide('chat', 'left', true, { leavesAfter: 20 }),
  'client leaves, Anthropic': wide('messages', 'left-too', true, { leavesAfter: 20 }),
  'client leaves, running': wide('chat', 'runs', true, { leavesAfter: 15 }),
  'budget runs out': { ...wide('chat', 'tight', true), tenant: 'tight' },
  'price of its own': { ...wide('chat', 'sim-gpt-4o-fast-tokens24', true), tenant: 'special' },
  'price with a margin': { ...wide('chat', 'sim-claude-fast-tokens24', false), tenant: 'margin' },
  'free of charge': wide('chat', 'free', false),
  'without a price': wide('chat', 'unpriced', false),
  'own hardware': wide('chat', 'hardware', false),
  'end users with budgets': { ...wide('chat', 'users', false), tenant: 'users', users: 8, more: { max_tokens: 60 } },
  'a target with limits': wide('chat', 'limited', true, { more: { max_tokens: 60 } }),
  mirrored: wide('chat', MIRRORED, true),
  'calls made together': wide('embeddings', 'together', false, { atOnce: 4 }),
  'admitted unchecked': { ...wide('chat', 'sim-gpt-4o-tokens20-lumps5', true), tenant: 'admitted' },
} as const satisfies Record<string, Feature>

export type FeatureName = keyof typeof FEATURES
