// A tenant's wish to have prompts and replies kept: as the API takes it, as it is stored, as the edge knows it.
import * as z from 'zod/mini'
import { parseJson } from '../../core/json.ts'
import type { BodyPolicy, RedactRule } from '../../core/guard/redact.ts'
import { ELEMENTS_MAX, readPattern } from '../../core/guard/safe-pattern.ts'

const RULES_MAX = 20
const TTL_DAYS_MAX = 365

const PERCENT_ALLOWED = 'must be a number from 0 to 100'
const DAYS_ALLOWED = `must be an integer from 1 to ${TTL_DAYS_MAX}`
const PATTERN_ALLOWED = `must be at most ${ELEMENTS_MAX} characters, two of them neither ? nor *: # a digit, & a letter, ? a character, * some characters, \\ before one of these for itself`
const MEMBER_ALLOWED = 'must be the name of a member, of 1 to 100 characters'
const RULE_ALLOWED = 'must be keys, emails, cards, an object with a pattern, or one with a member'

const RULE = z.union(
  [
    z.enum(['keys', 'emails', 'cards']),
    z.strictObject({
      pattern: z.string().check(z.refine((text) => readPattern(text) !== null, PATTERN_ALLOWED)),
    }),
    z.strictObject({ member: z.string().check(z.minLength(1, MEMBER_ALLOWED), z.maxLength(100, MEMBER_ALLOWED)) }),
  ],
  `${RULE_ALLOWED}; a pattern ${PATTERN_ALLOWED}`,
)

/** `bodies` of a tenant; null for off. */
export const BODIES = z.nullable(
  z.strictObject(
    {
      sample_percent: z.number(PERCENT_ALLOWED).check(z.gte(0, PERCENT_ALLOWED), z.lte(100, PERCENT_ALLOWED)),
      redact: z
        .array(RULE, `must be a list of at most ${RULES_MAX} rules`)
        .check(z.maxLength(RULES_MAX, `must be a list of at most ${RULES_MAX} rules`)),
      ttl_days: z
        .number(DAYS_ALLOWED)
        .check(z.int(DAYS_ALLOWED), z.gte(1, DAYS_ALLOWED), z.lte(TTL_DAYS_MAX, DAYS_ALLOWED)),
    },
    'must be null or an object of sample_percent, redact and ttl_days',
  ),
)
type Bodies = z.infer<typeof BODIES>

/** The column after a change; what is left out stays. */
export function changeBodies(before: string | null, body: Bodies | undefined): string | null {
  if (body === undefined) return before
  if (body === null) return null
  const policy: BodyPolicy = { samplePercent: body.sample_percent, redact: body.redact, ttlDays: body.ttl_days }
  return JSON.stringify(policy)
}

/** The column as the edge knows it: missing for off. */
export function bodiesOf(column: string | null): { readonly bodies?: BodyPolicy } {
  if (column === null) return {}
  const policy: BodyPolicy = JSON.parse(column)
  return policy.samplePercent > 0 ? { bodies: policy } : {}
}

/** The column as the API shows it. */
export function viewBodies(column: string | null): {
  readonly sample_percent: number
  readonly redact: readonly RedactRule[]
  readonly ttl_days: number
} | null {
  if (column === null || parseJson(column) === undefined) return null
  const { samplePercent, redact, ttlDays }: BodyPolicy = JSON.parse(column)
  return { sample_percent: samplePercent, redact, ttl_days: ttlDays }
}
