// What the admin API takes about alerts, as schemas. Every message completes the sentence "<field> …".
import * as z from 'zod/mini'
import { ALERT_KINDS } from '../../ledger/alerts/alert.ts'
import { SECRET_NAME } from '../../ledger/alerts/channel.ts'
import { DELIVERY_STATES } from '../../ledger/alerts/history.ts'
import { readSigningSecret } from '../../ledger/alerts/sign.ts'
import { DOWN_MINUTES_MAX } from '../../ledger/alerts/watch-calls.ts'
import { AMOUNT_USD_MAX, readUsd } from '../prices/amount.ts'
import { NAME, OBJECT, text, texts } from '../schemas.ts'

const SECRET_ALLOWED = 'must be whsec_ and base64 of 24 to 64 bytes, as Standard Webhooks has it'
const SECRET = z.string(SECRET_ALLOWED).check(z.refine((value) => readSigningSecret(value) !== null, SECRET_ALLOWED))
const SECRET_NAME_ALLOWED =
  'must be the name of a secret that ends in _WEBHOOK_SECRET or _WEBHOOK_URL, such as OPS_WEBHOOK_URL'
const NAMED_SECRET = z.string(SECRET_NAME_ALLOWED).check(z.regex(SECRET_NAME, SECRET_NAME_ALLOWED))
const ADDRESS_ALLOWED = 'must be a mail address such as "ops@example.com"'
const ADDRESS = z
  .string(ADDRESS_ALLOWED)
  .check(
    z.maxLength(254, ADDRESS_ALLOWED),
    z.regex(/^[^\s@<>,;"\p{Cc}]+@[^\s@<>,;"\p{Cc}]+\.[^\s@<>,;"\p{Cc}]+$/u, ADDRESS_ALLOWED),
  )
const URL_TEXT = text(2000)
const KIND = z.enum(ALERT_KINDS, `must be one of ${ALERT_KINDS.join(', ')}`)
const KINDS_ALLOWED = `must be a list of ${ALERT_KINDS.join(', ')}`
const IDS = texts(200, 100)

/** Whom and what a channel is for; empty lists are everything. */
const WANTED = {
  kinds: z.optional(z.array(KIND, KINDS_ALLOWED).check(z.maxLength(ALERT_KINDS.length, KINDS_ALLOWED))),
  tenants: z.optional(IDS),
  teams: z.optional(IDS),
  keys: z.optional(IDS),
  on: z.optional(z.boolean('must be true or false')),
}

export const NEW_CHANNEL = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('webhook'),
      name: NAME,
      url: URL_TEXT,
      secret: z.optional(SECRET),
      secret_name: z.optional(NAMED_SECRET),
      ...WANTED,
    }),
    z.strictObject({
      kind: z.literal('slack'),
      name: NAME,
      url: z.optional(URL_TEXT),
      secret_name: z.optional(NAMED_SECRET),
      ...WANTED,
    }),
    z.strictObject({ kind: z.literal('email'), name: NAME, address: ADDRESS, ...WANTED }),
  ],
  'must be an object whose kind is webhook, slack or email',
)
export type NewChannel = z.infer<typeof NEW_CHANNEL>

/** A channel as a file declares it: its secret by name, teams and keys as `<tenant>/<name>`. */
const DECLARED_WANTED = { ...WANTED, teams: z.optional(texts(200, 201)), keys: z.optional(texts(200, 201)) }
export const DECLARED_CHANNEL = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('webhook'),
      name: NAME,
      url: URL_TEXT,
      secret_name: z.optional(NAMED_SECRET),
      ...DECLARED_WANTED,
    }),
    z.strictObject({ kind: z.literal('slack'), name: NAME, secret_name: z.optional(NAMED_SECRET), ...DECLARED_WANTED }),
    z.strictObject({ kind: z.literal('email'), name: NAME, address: ADDRESS, ...DECLARED_WANTED }),
  ],
  'must be an object whose kind is webhook, slack or email',
)
export type DeclaredChannel = z.infer<typeof DECLARED_CHANNEL>

export const CHANNEL_CHANGE = z.strictObject(
  {
    name: z.optional(NAME),
    url: z.optional(URL_TEXT),
    address: z.optional(ADDRESS),
    secret: z.optional(SECRET),
    secret_name: z.optional(NAMED_SECRET),
    ...WANTED,
  },
  OBJECT,
)
export type ChannelChange = z.infer<typeof CHANNEL_CHANGE>

function integer(min: number, max: number) {
  const allowed = `must be an integer from ${min} to ${max}`
  return z.number(allowed).check(z.int(allowed), z.gte(min, allowed), z.lte(max, allowed))
}

const AMOUNT_ALLOWED = `must be decimal text such as "12.50", more than 0 and at most ${AMOUNT_USD_MAX}`
const AMOUNT = z.string(AMOUNT_ALLOWED).check(z.refine((value) => (readUsd(value) ?? 0) > 0, AMOUNT_ALLOWED))

function bounds<Shape extends z.core.$ZodShape>(shape: Shape) {
  const allowed = `must be null or an object of ${Object.keys(shape).join(' and ')}`
  return z.optional(z.nullable(z.strictObject(shape, allowed)))
}

/** Replaced as a whole: what is left out is as usual, null is no alert of that kind. */
export const RULES = z.strictObject(
  {
    error_rate: bounds({ percent: integer(1, 100), min_calls: integer(1, 10_000) }),
    provider_down: bounds({ minutes: integer(1, DOWN_MINUTES_MAX) }),
    unknown_price: z.optional(z.boolean('must be true or false')),
    forecast: bounds({ percent: integer(10, 1_000) }),
    anomaly: bounds({ factor: integer(2, 1_000), min_usd: AMOUNT }),
  },
  OBJECT,
)
export type RulesBody = z.infer<typeof RULES>

const PAGE_MAX = 200
const LIMIT_ALLOWED = `must be an integer from 1 to ${PAGE_MAX}`
const BEFORE_ALLOWED = 'must be the next of an earlier page'
const BEFORE = z.optional(z.string(BEFORE_ALLOWED).check(z.regex(/^\d{1,15}$/, BEFORE_ALLOWED)))
export const HISTORY = z.strictObject({
  limit: z.optional(
    z
      .string(LIMIT_ALLOWED)
      .check(
        z.refine((value) => /^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= PAGE_MAX, LIMIT_ALLOWED),
      ),
  ),
  cursor: BEFORE,
  /** The older name of the cursor. */
  before: BEFORE,
  tenant: z.optional(NAME),
  team: z.optional(NAME),
  key: z.optional(NAME),
  kind: z.optional(KIND),
  state: z.optional(z.enum(DELIVERY_STATES, `must be one of ${DELIVERY_STATES.join(', ')}`)),
})
