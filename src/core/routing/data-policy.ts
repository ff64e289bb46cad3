// Where the data of a request may be, and what may be done with it. Tenants, keys and routes each may have such a policy, and
// a request its own wishes: all of them have to be met. What isn't known of a target doesn't meet anything.
import type { Target } from '../directory.ts'

export interface DataPolicy {
  /** Where targets have to be: in one of these. Missing: anywhere. */
  readonly regions?: readonly string[]
  /** Not where a provider may train its models on what it is sent. */
  readonly noTraining?: true
  /** Only where nothing is kept. */
  readonly zeroRetention?: true
}

/** What of a policy a target doesn't meet, in the words of the request's own `provider`. */
export type DataNeed = 'data_region' | 'data_collection' | 'zdr'

/** Whose policy it is. */
export type DataPolicyOwner = 'tenant' | 'key' | 'route'

/** A policy, and whose it is. */
export interface OwnedDataPolicy {
  readonly of: DataPolicyOwner
  readonly policy: DataPolicy
}

/** A policy that isn't met. */
export interface DataBreach {
  readonly of: DataPolicyOwner
  readonly need: DataNeed
}

/** What of `policy` the target doesn't meet; null for nothing. */
export function unmet({ regions, noTraining, zeroRetention }: DataPolicy, target: Target): DataNeed | null {
  const { dataRegion } = target
  if (regions !== undefined && (dataRegion === undefined || !regions.includes(dataRegion))) return 'data_region'
  if (noTraining === true && mayTrain(target)) return 'data_collection'
  return zeroRetention === true && target.labels?.includes('zdr') !== true ? 'zdr' : null
}

/** The first of the policies that the target doesn't meet; null for none. */
export function breachOf(policies: readonly OwnedDataPolicy[], target: Target): DataBreach | null {
  for (const { of, policy } of policies) {
    const need = unmet(policy, target)
    if (need !== null) return { of, need }
  }
  return null
}

/** Said of the target itself, or by its label. */
function mayTrain({ trains, labels }: Target): boolean {
  return trains ?? labels?.includes('no-training') !== true
}
