// What the admin API takes, as schemas. Every message completes the sentence "<field> …" and says what is allowed.
import * as z from 'zod/mini'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import { PROVIDERS } from '../catalog/providers.ts'
import type { AuthScheme, DialectName } from '../core/directory.ts'
import { PASS_THROUGH_POLICIES } from '../core/guard/pass-through-policy.ts'
import { UNPRICED_ACTIONS } from '../core/money/price-book.ts'
import { QUIRKS } from '../core/quirk.ts'
import { readDay } from '../core/limits/window.ts'
import { dialects } from '../dialects/index.ts'
import { AMOUNT_USD_MAX, readUsd } from './prices/amount.ts'
import { BODIES } from './tenants/bodies-record.ts'
import { HELD_NAME } from './credentials/credential-record.ts'
import { DATA_POLICY, DATA_REGION } from './tenants/data-policy-record.ts'
import { PRICES } from './prices/price-schemas.ts'

export const OBJECT = 'must be a JSON object'

export function text(lengthMax: number) {
  const allowed = `must be text of 1 to ${lengthMax} characters, without control characters`
  return z
    .string(allowed)
    .check(z.minLength(1, allowed), z.maxLength(lengthMax, allowed), z.regex(/^\P{Cc}*$/u, allowed))
}

function integer(min: number, max: number) {
  const allowed = `must be an integer from ${min} to ${max}`
  return z.number(allowed).check(z.int(allowed), z.gte(min, allowed), z.lte(max, allowed))
}

export function texts(itemsMax: number, lengthMax: number) {
  const allowed = `must be a list of at most ${itemsMax} texts`
  return z.array(text(lengthMax), allowed).check(z.maxLength(itemsMax, allowed))
}

export const NAME = text(100)
export const MODEL = text(200).check(
  z.regex(/^[^*]*\*?$/, 'must be an exact model name, or a prefix with * at its end'),
)
const SLUG_ALLOWED = 'must be 1 to 100 letters, digits, dots, dashes or underscores, the first a letter or a digit'
export const SLUG = z.string(SLUG_ALLOWED).check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, SLUG_ALLOWED))
const FLAG = z.boolean('must be true or false')

const AMOUNT_ALLOWED = `must be decimal text such as "12.50", of at most nine decimals and at most ${AMOUNT_USD_MAX}`
const AMOUNT = z.string(AMOUNT_ALLOWED).check(z.refine((value) => readUsd(value) !== null, AMOUNT_ALLOWED))

const LIMIT = z.nullable(integer(1, 1_000_000_000_000))
const PERIODS = ['hour', 'day', 'week', 'month'] as const
const BUDGET = z.strictObject(
  { amount_usd: AMOUNT, period: z.enum(PERIODS, `must be one of ${PERIODS.join(', ')}`) },
  'must be null or an object of amount_usd and period',
)

const DAY_ALLOWED = 'must be a date such as "2027-01-31"'
const EVERY_DAYS = z.strictObject(
  {
    every_days: integer(1, 400),
    from: z.string(DAY_ALLOWED).check(z.refine((value) => readDay(value) !== null, DAY_ALLOWED)),
  },
  'must be an object of every_days and from',
)
const INSTANT_ALLOWED = 'must be a date and time with its zone, such as "2027-01-31T00:00:00Z"'
export const INSTANT = z
  .string(INSTANT_ALLOWED)
  .check(z.refine((value) => readInstant(value) !== null, INSTANT_ALLOWED))
const COUNT = integer(1, 1_000_000_000_000)
const INCREASE = z.optional(
  z.nullable(z.strictObject({ by: COUNT, until: INSTANT }, 'must be null or an object of by and until')),
)
const RULE_UNITS = ['requests', 'tokens', 'input_tokens', 'output_tokens'] as const
const RULE_MODEL = z.optional(z.nullable(MODEL))
const RULE = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('rate'),
      unit: z.enum(RULE_UNITS, `must be one of ${RULE_UNITS.join(', ')}`),
      per_minute: COUNT,
      burst: z.optional(z.nullable(COUNT)),
      model: RULE_MODEL,
      increase: INCREASE,
    }),
    z.strictObject({ kind: z.literal('concurrency'), most: COUNT, model: RULE_MODEL, increase: INCREASE }),
    z.strictObject({
      kind: z.literal('budget'),
      amount_usd: AMOUNT,
      period: z.union([z.enum(PERIODS), EVERY_DAYS], `must be one of ${PERIODS.join(', ')}, or {every_days, from}`),
      alerts_percent: z.optional(
        z.array(integer(1, 1000), 'must be a list of per cents').check(z.maxLength(10, 'must have at most 10 items')),
      ),
      model: RULE_MODEL,
      increase: z.optional(
        z.nullable(z.strictObject({ by_usd: AMOUNT, until: INSTANT }, 'must be null or an object of by_usd and until')),
      ),
    }),
  ],
  'must be an object whose kind is rate, concurrency or budget',
)
export type LimitRule = z.infer<typeof RULE>
const RULES = z.array(RULE, 'must be a list of rules').check(z.maxLength(100, 'must have at most 100 items'))

const DOWNGRADE_ALLOWED = 'must be the exact name of a model'
const AT_LIMIT = z.discriminatedUnion(
  'action',
  [
    z.strictObject({ action: z.literal('refuse') }),
    z.strictObject({
      action: z.literal('wait'),
      max_wait_ms: integer(100, 60_000),
      max_waiting: z.optional(integer(1, 1_000)),
    }),
    z.strictObject({
      action: z.literal('downgrade'),
      model: text(200).check(z.refine((value) => !value.includes('*'), DOWNGRADE_ALLOWED)),
    }),
  ],
  'must be an object whose action is refuse, wait or downgrade',
)
export type AtLimit = z.infer<typeof AT_LIMIT>

const RUNAWAY_ACTIONS = ['alert', 'throttle', 'stop'] as const
const RUNAWAY = z.strictObject(
  {
    factor: integer(2, 1_000),
    min_usd_per_hour: AMOUNT.check(z.refine((value) => (readUsd(value) ?? 0) > 0, 'must be more than 0')),
    action: z.enum(RUNAWAY_ACTIONS, `must be one of ${RUNAWAY_ACTIONS.join(', ')}`),
  },
  'must be null or an object of factor, min_usd_per_hour and action',
)
export type RunawayBody = z.infer<typeof RUNAWAY>

/** Null takes a limit away; a member that is left out stays as it is. Rules are replaced as a whole. */
const LIMITS = z.strictObject(
  {
    tokens_per_minute: z.optional(LIMIT),
    burst_tokens: z.optional(LIMIT),
    budget: z.optional(z.nullable(BUDGET)),
    rules: z.optional(RULES),
    at_limit: z.optional(z.nullable(AT_LIMIT)),
    runaway: z.optional(z.nullable(RUNAWAY)),
  },
  OBJECT,
)
export type LimitsBody = z.infer<typeof LIMITS>

const CACHE_MODES = ['off', 'deterministic', 'all'] as const
const CACHE = z.strictObject(
  {
    mode: z.enum(CACHE_MODES, `must be one of ${CACHE_MODES.join(', ')}`),
    ttl_seconds: z.optional(integer(60, 86_400)),
  },
  OBJECT,
)
const TIME_ZONE_ALLOWED = 'must be an IANA time zone such as "Europe/Berlin"'
const TIME_ZONE = z.string(TIME_ZONE_ALLOWED).check(z.refine(isTimeZone, TIME_ZONE_ALLOWED))
const EXPIRY_ALLOWED = 'must be null or a date and time with its zone, such as "2027-01-31T00:00:00Z"'
const EXPIRY = z.string(EXPIRY_ALLOWED).check(z.refine((value) => readInstant(value) !== null, EXPIRY_ALLOWED))

const ORIGIN_ALLOWED = 'must be an origin such as "https://app.example.com", or *'
const ORIGIN = z.string(ORIGIN_ALLOWED).check(z.refine(isOrigin, ORIGIN_ALLOWED))
const ORIGINS = z
  .array(ORIGIN, 'must be a list of origins')
  .check(z.maxLength(50, 'must be a list of at most 50 origins'))

const PASS_THROUGH = z.enum(PASS_THROUGH_POLICIES, `must be one of ${PASS_THROUGH_POLICIES.join(', ')}`)

export const LIMITS_UNAVAILABLE = ['refuse', 'admit'] as const
const LIMITERS = ['one', 'regional'] as const
const TENANT = {
  unpriced: z.optional(z.nullable(z.enum(UNPRICED_ACTIONS, `must be null or one of ${UNPRICED_ACTIONS.join(', ')}`))),
  default_price: z.optional(z.nullable(PRICES)),
  limits_unavailable: z.optional(z.enum(LIMITS_UNAVAILABLE, `must be one of ${LIMITS_UNAVAILABLE.join(', ')}`)),
  limiter: z.optional(z.enum(LIMITERS, `must be one of ${LIMITERS.join(', ')}`)),
  require_end_user: z.optional(FLAG),
  end_user_limits: z.optional(RULES),
  limits: z.optional(LIMITS),
  cache: z.optional(CACHE),
  time_zone: z.optional(TIME_ZONE),
  cors_origins: z.optional(ORIGINS),
  pass_through: z.optional(PASS_THROUGH),
  data_policy: z.optional(DATA_POLICY),
  bodies: z.optional(BODIES),
}
export const NEW_TENANT = z.strictObject({ name: NAME, ...TENANT }, OBJECT)
export const TENANT_CHANGE = z.strictObject({ name: z.optional(NAME), ...TENANT }, OBJECT)
export type TenantChange = z.infer<typeof TENANT_CHANGE>

/** Replaced as a whole; an empty list is no limit at all. */
export const END_USER = z.strictObject({ limits: RULES }, OBJECT)

/** A switch: what is off serves nobody, and others want to know why; switching on needs no reason. */
export const SWITCH = z.discriminatedUnion(
  'off',
  [
    z.strictObject({ off: z.literal(true), reason: text(500) }),
    z.strictObject({ off: z.literal(false), reason: z.optional(text(500)) }),
  ],
  'must be an object of off (true or false) and reason',
)

const TEAM = { limits: z.optional(LIMITS), end_user_limits: z.optional(RULES) }
export const NEW_TEAM = z.strictObject({ tenant: NAME, name: NAME, ...TEAM }, OBJECT)
export const TEAM_CHANGE = z.strictObject({ name: z.optional(NAME), ...TEAM }, OBJECT)

const KEY = {
  cost_center: z.optional(z.nullable(NAME)),
  tags: z.optional(texts(20, 100)),
  models: z.optional(
    z.array(MODEL, 'must be a list of model names').check(z.maxLength(100, 'must have at most 100 items')),
  ),
  pass_through: z.optional(
    z.nullable(z.enum(PASS_THROUGH_POLICIES, `must be null or one of ${PASS_THROUGH_POLICIES.join(', ')}`)),
  ),
  limits: z.optional(LIMITS),
  end_user_limits: z.optional(RULES),
  expires_at: z.optional(z.nullable(EXPIRY)),
  data_policy: z.optional(DATA_POLICY),
}
export const NEW_KEY = z.strictObject({ tenant: NAME, team: z.optional(z.nullable(NAME)), name: NAME, ...KEY }, OBJECT)
export const KEY_CHANGE = z.strictObject({ name: z.optional(NAME), ...KEY }, OBJECT)

const PROVIDER_ALLOWED = `must be one of ${PROVIDERS.map((provider) => provider.name).join(', ')}`
/** A provider of the catalogue. */
export const PROVIDER = z
  .string(PROVIDER_ALLOWED)
  .check(z.refine((value) => PROVIDERS.some((provider) => provider.name === value), PROVIDER_ALLOWED))
/** Only secrets of such names can be credentials, so that no other secret can be sent to an endpoint. */
export const CREDENTIAL_NAME = /^[A-Z][A-Z0-9_]{0,99}_(?:API_KEY|CREDENTIALS|ACCESS_KEY)$/
const SECRET_ALLOWED =
  'must be the name of a secret that ends in _API_KEY, _CREDENTIALS or _ACCESS_KEY, such as OPENAI_API_KEY'
export const CREDENTIAL_SECRET = z.string(SECRET_ALLOWED).check(z.regex(CREDENTIAL_NAME, SECRET_ALLOWED))
const CREDENTIAL_ALLOWED =
  'must be null, the name of a credential, or the name of a secret that ends in _API_KEY, _CREDENTIALS or _ACCESS_KEY, such as OPENAI_API_KEY'
const CREDENTIAL = z
  .string(CREDENTIAL_ALLOWED)
  .check(z.refine((name) => CREDENTIAL_NAME.test(name) || HELD_NAME.test(name), CREDENTIAL_ALLOWED))
const CREDENTIALS_ALLOWED = 'must be null or a list of 1 to 16 different names of credentials or secrets'
const CREDENTIALS = z.array(CREDENTIAL, CREDENTIALS_ALLOWED).check(
  z.minLength(1, CREDENTIALS_ALLOWED),
  z.maxLength(16, CREDENTIALS_ALLOWED),
  z.refine((names) => new Set(names).size === names.length, CREDENTIALS_ALLOWED),
)
const HEALTH_CHECKS = ['off', 'models', 'token'] as const
const DIALECT = z.custom<DialectName>(
  (value) => typeof value === 'string' && dialects.has(value),
  `must be one of ${dialects.names.join(', ')}`,
)
const AUTH_SCHEMES = [
  'bearer',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'aws-sigv4',
  'google-service-account',
  'none',
] as const satisfies readonly AuthScheme[]
const AUTH = z.nullable(z.enum(AUTH_SCHEMES, `must be null or one of ${AUTH_SCHEMES.join(', ')}`))

/** A setting becomes part of an address: nothing but a name can get in. */
const SETTING_ALLOWED =
  'must be null or 1 to 100 letters, digits, dots, dashes or underscores, without two dots in a row'
const SETTING = z.optional(
  z.nullable(z.string(SETTING_ALLOWED).check(z.regex(/^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, SETTING_ALLOWED))),
)
const SETTINGS = z.strictObject(
  {
    region: SETTING,
    project: SETTING,
    location: SETTING,
    account: SETTING,
    resource: SETTING,
    workspace: SETTING,
    api_version: SETTING,
    deployment: SETTING,
    host: SETTING,
  },
  OBJECT,
)
const QUIRK_ALLOWED = `must be one of ${QUIRKS.join(', ')}`
const QUIRKS_ALLOWED = `must be null or a list of at most ${QUIRKS.length} quirks`
const QUIRK_LIST = z.nullable(
  z.array(z.enum(QUIRKS, QUIRK_ALLOWED), QUIRKS_ALLOWED).check(z.maxLength(QUIRKS.length, QUIRKS_ALLOWED)),
)
const CAPABLE = z.optional(z.nullable(FLAG))
const TOKENS = z.optional(z.nullable(integer(1, 1_000_000_000)))
const CAPABILITIES = z.strictObject(
  {
    context_tokens: TOKENS,
    output_tokens: TOKENS,
    vision: CAPABLE,
    documents: CAPABLE,
    audio: CAPABLE,
    tools: CAPABLE,
    json_schema: CAPABLE,
    reasoning: CAPABLE,
    prefix: CAPABLE,
  },
  OBJECT,
)
const TIMEOUTS = z.strictObject(
  {
    connect_ms: z.optional(z.nullable(integer(1, 3_600_000))),
    first_content_ms: z.optional(integer(1, 3_600_000)),
    idle_ms: z.optional(integer(1, 3_600_000)),
    total_ms: z.optional(integer(1, 3_600_000)),
  },
  OBJECT,
)

/** What one answer of an object may carry, and what a client may be kept waiting, bound both. */
const BATCHING = z.strictObject({ max_batch_size: integer(2, 256), max_wait_ms: z.optional(integer(1, 1_000)) }, OBJECT)

/** Read in whole by `wire/declared.ts`, which knows what is wrong with it. */
const DECLARED = z.custom<JsonObject>(isJsonObject, 'must be null or a JSON object')

const TARGET = {
  name: z.optional(NAME),
  limits: z.optional(RULES),
  dialect: z.optional(DIALECT),
  base_url: z.optional(text(500)),
  credential: z.optional(z.nullable(CREDENTIAL)),
  credentials: z.optional(z.nullable(CREDENTIALS)),
  health_check: z.optional(z.enum(HEALTH_CHECKS, `must be one of ${HEALTH_CHECKS.join(', ')}`)),
  auth: z.optional(AUTH),
  settings: z.optional(SETTINGS),
  quirks: z.optional(QUIRK_LIST),
  capabilities: z.optional(CAPABILITIES),
  labels: z.optional(z.nullable(texts(16, 100))),
  data_region: z.optional(z.nullable(DATA_REGION)),
  trains: z.optional(z.nullable(FLAG)),
  max_batch_size: z.optional(z.nullable(integer(1, 100_000))),
  batching: z.optional(z.nullable(BATCHING)),
  declared: z.optional(z.nullable(DECLARED)),
  max_retries: z.optional(integer(0, 5)),
  timeouts: z.optional(TIMEOUTS),
  max_output_tokens: z.optional(integer(1, 10_000_000)),
  cost_center: z.optional(z.nullable(NAME)),
  price: z.optional(PRICES),
  probe_model: z.optional(text(200)),
  force: z.optional(FLAG),
}
const TARGET_MODEL = text(200).check(
  z.refine((value) => value === '*' || !value.includes('*'), 'must be a model as the provider names it, or *'),
)
export const NEW_TARGET = z.strictObject(
  { id: z.optional(SLUG), provider: PROVIDER, model: TARGET_MODEL, ...TARGET },
  OBJECT,
)
/** A model in a few lines: a target, and a route of its name for everybody. */
export const MODEL_ENTRY = z.strictObject(
  {
    name: text(200).check(z.refine((value) => !value.includes('*'), 'must be the exact name of a model')),
    backend: PROVIDER,
    endpoint: z.optional(text(500)),
    model: z.optional(TARGET_MODEL),
    credential: z.optional(z.nullable(CREDENTIAL)),
    max_batch_size: z.optional(z.nullable(integer(1, 100_000))),
    cost_center: z.optional(z.nullable(NAME)),
    max_retries: z.optional(integer(0, 5)),
  },
  OBJECT,
)
export const TARGET_CHANGE = z.strictObject({ model: z.optional(TARGET_MODEL), ...TARGET }, OBJECT)
export type NewTarget = z.infer<typeof NEW_TARGET>
export type TargetChange = z.infer<typeof TARGET_CHANGE>

function isOrigin(value: string): boolean {
  return value === '*' || URL.parse(value)?.origin === value
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/** An ISO 8601 date and time with its zone as epoch ms; null for anything else. */
export function readInstant(value: string): number | null {
  const isComplete = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(value)
  const instant = isComplete ? Date.parse(value) : Number.NaN
  return Number.isNaN(instant) ? null : instant
}
