// How much of a provider's own API a tenant reaches by `/{provider}/…`. What is kept at a provider belongs to one account,
// which tenants may share: so the usual is to run models and nothing else.

/** From the narrowest to the widest. `off`: nothing. `models`: calls that run a model which the key may use. `all`:
 *  everything, for a tenant that owns the account. */
export const PASS_THROUGH_POLICIES = ['off', 'models', 'all'] as const
export type PassThroughPolicy = (typeof PASS_THROUGH_POLICIES)[number]

/** What holds where nobody has said anything. */
export const PASS_THROUGH_USUAL: PassThroughPolicy = 'models'

/** The narrower of a tenant's policy and a key's own; without one of its own a key has its tenant's. */
export function narrowerPolicy(tenants: PassThroughPolicy, keys: PassThroughPolicy | null): PassThroughPolicy {
  return keys === null || isWider(keys, tenants) ? tenants : keys
}

/** Whether `policy` lets more through than `other`. */
export function isWider(policy: PassThroughPolicy, other: PassThroughPolicy): boolean {
  return PASS_THROUGH_POLICIES.indexOf(policy) > PASS_THROUGH_POLICIES.indexOf(other)
}
