// What somebody is who signed in, by what their provider says of them. Rules are set by the owner and asked with every call,
// so that one that is gone opens nothing more; what the provider says is as of the sign-in. The matching is pure.
import { isJsonObject, parseJson } from '../../core/json.ts'
import { type GrantColumns, grantOf } from './access-record.ts'
import { type Grant, strongest } from './permissions.ts'

/** Who can say who somebody is. */
export const SOURCES = ['access', 'oidc'] as const
export type Source = (typeof SOURCES)[number]

export interface RoleRuleRow extends GrantColumns {
  readonly id: string
  readonly source: Source | 'any'
  readonly claim: string
  /** Exactly, or for `email` a domain as `*@example.com`. */
  readonly value: string
  readonly created_at_ms: number
}

/** What a provider says of somebody: texts, and lists of texts. */
export type Claims = Readonly<Record<string, string | readonly string[]>>

/** What is kept of the claims of somebody, besides those that rules ask for. */
const KEPT_CLAIMS = ['email', 'groups', 'roles']
/** Values of a claim, and characters of one. */
const VALUES_MAX = 500
const VALUE_CHARS_MAX = 300
const PATTERN = /^\*@/

/** The furthest that any rule gives somebody; null for nothing at all. */
export function grantFor(source: Source, claims: Claims, rules: readonly RoleRuleRow[]): Grant | null {
  return strongest(rules.filter((rule) => isOf(rule, source, claims)).map(grantOf))
}

function isOf(rule: RoleRuleRow, source: Source, claims: Claims): boolean {
  if (rule.source !== 'any' && rule.source !== source) return false
  const said = Object.hasOwn(claims, rule.claim) ? claims[rule.claim] : undefined
  const values = said === undefined ? [] : typeof said === 'string' ? [said] : said
  return values.some((value) => (rule.claim === 'email' ? isAddress(value, rule.value) : value === rule.value))
}

/** Addresses are written in any case. A domain is what follows the last @. */
function isAddress(address: string, wanted: string): boolean {
  const [has, asked] = [address.toLowerCase(), wanted.toLowerCase()]
  if (!PATTERN.test(asked)) return has === asked
  return has.lastIndexOf('@') > 0 && has.slice(has.lastIndexOf('@') + 1) === asked.slice(2)
}

/** Of all that a provider says, what rules may ask for; an address only where `isEmailTrue`. */
export function keptClaims(
  said: Readonly<Record<string, unknown>>,
  rules: readonly Pick<RoleRuleRow, 'claim'>[],
  isEmailTrue: boolean,
): Claims {
  const names = new Set([...KEPT_CLAIMS, ...rules.map(({ claim }) => claim)])
  if (!isEmailTrue) names.delete('email')
  return Object.fromEntries(
    [...names].flatMap((name) => {
      const value = Object.hasOwn(said, name) ? readClaim(said[name]) : null
      return value === null ? [] : [[name, value] as const]
    }),
  )
}

function readClaim(value: unknown): string | readonly string[] | null {
  const isText = (one: unknown): one is string => typeof one === 'string' && one.length <= VALUE_CHARS_MAX
  if (isText(value)) return value
  return Array.isArray(value) ? value.filter(isText).slice(0, VALUES_MAX) : null
}

/** Claims as they were kept. */
export function readClaims(json: string): Claims {
  const object = parseJson(json)
  if (!isJsonObject(object)) return {}
  return Object.fromEntries(
    Object.entries(object).flatMap(([name, value]) => {
      const claim = readClaim(value)
      return claim === null ? [] : [[name, claim] as const]
    }),
  )
}
