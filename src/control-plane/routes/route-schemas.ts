// What the admin API takes as a route, as schemas. Groups and conditions nest only so far, so that reading one is bounded.
import * as z from 'zod/mini'
import {
  type Condition,
  FLAG_FIELDS,
  NUMBER_FIELDS,
  TEXT_FIELDS,
  type TextField,
} from '../../core/routing/condition.ts'
import { STRATEGY_NAMES } from '../../core/strategies/index.ts'
import { DATA_POLICY } from '../tenants/data-policy-record.ts'
import { RESILIENCE_FIELDS } from './route-resilience.ts'
import { MODEL, NAME, OBJECT, text, texts } from '../schemas.ts'
import { SHADOW } from './shadow-record.ts'

const GROUP_DEPTH = 3
const CONDITION_DEPTH = 4

function oneOf<const Names extends readonly [string, ...string[]]>(names: Names) {
  return z.enum(names, `must be one of ${names.join(', ')}`)
}

const STRATEGY = oneOf(STRATEGY_NAMES)
const WEIGHT_ALLOWED = 'must be a number from 0 to 1000000'
const WEIGHT = z.number(WEIGHT_ALLOWED).check(z.gte(0, WEIGHT_ALLOWED), z.lte(1_000_000, WEIGHT_ALLOWED))
const BY_ALLOWED = 'must be a list of session, user, key, prefix'
const BY = z
  .array(z.enum(['session', 'user', 'key', 'prefix'], BY_ALLOWED), BY_ALLOWED)
  .check(z.minLength(1, BY_ALLOWED))

const STRATEGY_FIELDS = {
  strategy: z.optional(STRATEGY),
  by: z.optional(BY),
  experiment: z.optional(text(100)),
}

const TARGETS_ALLOWED = 'must be a list of 1 to 16 ids of targets'
const TARGETS = z.array(NAME, TARGETS_ALLOWED).check(z.minLength(1, TARGETS_ALLOWED), z.maxLength(16, TARGETS_ALLOWED))

/** A group as it is written. */
export interface GroupInput {
  readonly strategy?: (typeof STRATEGY_NAMES)[number] | undefined
  readonly by?: readonly ('session' | 'user' | 'key' | 'prefix')[] | undefined
  readonly experiment?: string | undefined
  readonly members: readonly MemberInput[]
}

/** A weight that grows: from `from` (0) to `to`, beginning at `starts_at` (when it is written), epoch ms. */
export interface RampInput {
  readonly to: number
  readonly over_minutes: number
  readonly from?: number | undefined
  readonly starts_at?: number | undefined
}

export interface WatchInput {
  readonly max_error_rate: number
  readonly min_requests: number
  readonly window_minutes: number
}

export type MemberInput =
  | string
  | {
      readonly target: string
      readonly weight?: number | undefined
      readonly ramp?: RampInput | undefined
      readonly watch?: WatchInput | undefined
    }
  | { readonly group: GroupInput; readonly weight?: number | undefined; readonly ramp?: RampInput | undefined }

const MEMBERS_ALLOWED = 'must be a list of 1 to 16 members'
const MEMBER_ALLOWED =
  "must be a target's id, or an object of target or group, with weight or ramp (to, over_minutes, from, starts_at), and of a target watch (max_error_rate, min_requests, window_minutes)"

const MINUTES_ALLOWED = 'must be a number of minutes, up to 100000'
const INSTANT_ALLOWED = 'must be epoch ms'
const RAMP = z.strictObject({
  to: WEIGHT,
  over_minutes: z.number(MINUTES_ALLOWED).check(z.gt(0, MINUTES_ALLOWED), z.lte(100_000, MINUTES_ALLOWED)),
  from: z.optional(WEIGHT),
  starts_at: z.optional(z.int(INSTANT_ALLOWED).check(z.gte(0, INSTANT_ALLOWED))),
})
const RATE_ALLOWED = 'must be a share from 0 to less than 1'
const REQUESTS_ALLOWED = 'must be an integer from 1 to 1000000'
const WINDOW_ALLOWED = 'must be an integer from 1 to 60'
const WATCH = z.strictObject({
  max_error_rate: z.number(RATE_ALLOWED).check(z.gte(0, RATE_ALLOWED), z.lt(1, RATE_ALLOWED)),
  min_requests: z.int(REQUESTS_ALLOWED).check(z.gte(1, REQUESTS_ALLOWED), z.lte(1_000_000, REQUESTS_ALLOWED)),
  window_minutes: z.int(WINDOW_ALLOWED).check(z.gte(1, WINDOW_ALLOWED), z.lte(60, WINDOW_ALLOWED)),
})
const SHARE = { weight: z.optional(WEIGHT), ramp: z.optional(RAMP) }
/** Strategies that give their members shares. */
const SHARING: ReadonlySet<string> = new Set(['weighted', 'split', 'sticky', 'least-busy'])
const ONE_SHARE = 'must have weight or ramp, not both'
const NO_SHARES = 'must have strategy weighted, split, sticky or least-busy where a member has a ramp or a watch'

function hasOneShare(member: { readonly weight?: unknown; readonly ramp?: unknown }): boolean {
  return member.weight === undefined || member.ramp === undefined
}

function sharesWhereNeeded({ strategy, members }: GroupInput): boolean {
  const isChanging = members.some(
    (member) =>
      typeof member !== 'string' && (member.ramp !== undefined || ('watch' in member && member.watch !== undefined)),
  )
  return !isChanging || SHARING.has(strategy ?? 'priority')
}

function groupSchema(depth: number): z.ZodMiniType<GroupInput> {
  const target = z
    .strictObject({ target: NAME, ...SHARE, watch: z.optional(WATCH) })
    .check(z.refine(hasOneShare, ONE_SHARE))
  const kinds =
    depth === 1 ? z.union([NAME, target], MEMBER_ALLOWED) : z.union([NAME, target, within(depth - 1)], MEMBER_ALLOWED)
  const members = z.array(kinds, MEMBERS_ALLOWED)
  return z
    .strictObject(
      { ...STRATEGY_FIELDS, members: members.check(z.minLength(1, MEMBERS_ALLOWED), z.maxLength(16, MEMBERS_ALLOWED)) },
      'must be an object of strategy and members',
    )
    .check(z.refine(sharesWhereNeeded, NO_SHARES))
}

function within(depth: number) {
  return z.strictObject({ group: groupSchema(depth), ...SHARE }).check(z.refine(hasOneShare, ONE_SHARE))
}

const GROUP = groupSchema(GROUP_DEPTH)

const TEXT_FIELD_ALLOWED = `must be one of ${TEXT_FIELDS.join(', ')}, metadata.<name>, header.<name>`
const TEXT_FIELD = z.custom<TextField>(
  (value) =>
    typeof value === 'string' &&
    (TEXT_FIELDS.some((field) => field === value) || /^(metadata\..{1,100}|header\.[a-z0-9_-]{1,100})$/.test(value)),
  TEXT_FIELD_ALLOWED,
)
const BOUND_ALLOWED = 'must be a number'
const BOUND = z.optional(z.number(BOUND_ALLOWED))

const CONDITION_ALLOWED =
  'must be an object of text and in, of number and from or to, of flag and is, or of all, any or not with conditions'

function conditionSchema(depth: number): z.ZodMiniType<Condition> {
  const text_ = z.strictObject({ text: TEXT_FIELD, in: texts(100, 200) })
  const number = z
    .strictObject({ number: oneOf(NUMBER_FIELDS), from: BOUND, to: BOUND })
    .check(z.refine(({ from, to }) => from !== undefined || to !== undefined, 'must have from, to, or both'))
  const flag = z.strictObject({ flag: oneOf(FLAG_FIELDS), is: z.boolean('must be true or false') })
  if (depth === 1) return z.union([text_, number, flag], CONDITION_ALLOWED)
  const parts = z.array(conditionSchema(depth - 1)).check(z.maxLength(16))
  const [all, any] = [z.strictObject({ all: parts }), z.strictObject({ any: parts })]
  const not = z.strictObject({ not: conditionSchema(depth - 1) })
  return z.union([text_, number, flag, all, any, not], CONDITION_ALLOWED)
}

const ACTION_ALLOWED = 'must be an object of exactly one of use, exclude, require_labels, refuse'
const ACTION = z.union(
  [
    z.strictObject({ use: GROUP }),
    z.strictObject({ exclude: TARGETS }),
    z.strictObject({ require_labels: texts(16, 100) }),
    z.strictObject({ refuse: text(500) }),
  ],
  ACTION_ALLOWED,
)
const RULES_ALLOWED = 'must be a list of at most 50 rules'
const RULE = z.strictObject({ name: text(100), when: conditionSchema(CONDITION_DEPTH), do: ACTION }, OBJECT)
const RULES = z.array(RULE, RULES_ALLOWED).check(
  z.maxLength(50, RULES_ALLOWED),
  z.refine((rules) => new Set(rules.map(({ name }) => name)).size === rules.length, 'must give each rule its own name'),
)

const CHOICE_FIELDS = {
  ...STRATEGY_FIELDS,
  weights: z.optional(z.record(NAME, WEIGHT, 'must be an object of weights by target')),
  group: z.optional(z.nullable(GROUP)),
  rules: z.optional(RULES),
  allowed_gaps: z.optional(texts(50, 100)),
  ...RESILIENCE_FIELDS,
  data_policy: z.optional(DATA_POLICY),
  shadow: z.optional(SHADOW),
}

export const NEW_ROUTE = z.strictObject(
  { model: MODEL, targets: z.optional(TARGETS), tenant: z.optional(z.nullable(NAME)), ...CHOICE_FIELDS },
  OBJECT,
)
export const ROUTE_CHANGE = z.strictObject({ targets: z.optional(TARGETS), ...CHOICE_FIELDS }, OBJECT)

/** What a route's body says of its choice. */
export type ChoiceInput = z.infer<typeof ROUTE_CHANGE>
