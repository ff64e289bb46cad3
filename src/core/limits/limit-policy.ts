// What happens to a request that a limit refuses, and to a key that spends far beyond its habits: set for a tenant, a team
// or a key, and told along with the refusal, so that nothing has to be looked up. Times are ms, money is nano-USD.

/** What a request does at a limit. Money is never waited for: where a budget refuses, `wait` means `refuse`. */
export type LimitPolicy =
  | { readonly kind: 'refuse' }
  /** Waits in its isolate for as long as `maxWaitMs`, unless `maxWaiting` requests of the tenant do so there. */
  | { readonly kind: 'wait'; readonly maxWaitMs: number; readonly maxWaiting: number }
  /** Asks for another model instead, once. */
  | { readonly kind: 'downgrade'; readonly model: string }

/** What is done about a runaway: only told of, slowed down to the threshold, or stopped for a while. */
export type RunawayAction = 'alert' | 'throttle' | 'stop'

/** Spending is a runaway when its rate is `factor` times its own baseline, and at least `minNanoUsdPerHour`. */
export interface RunawayRule {
  readonly factor: number
  readonly minNanoUsdPerHour: number
  readonly action: RunawayAction
}

const REFUSE: LimitPolicy = { kind: 'refuse' }
const STRICTNESS: Readonly<Record<LimitPolicy['kind'], number>> = { wait: 0, downgrade: 1, refuse: 2 }

/** The policy where several limits refuse at once: the strictest of theirs, of equals the first. Missing is `refuse`. */
export function strictest(
  policies: readonly { readonly policy: LimitPolicy | undefined; readonly isMoney: boolean }[],
): LimitPolicy {
  let result: LimitPolicy | null = null
  for (const { policy = REFUSE, isMoney } of policies) {
    const own = isMoney && policy.kind === 'wait' ? REFUSE : policy
    if (result === null || STRICTNESS[own.kind] > STRICTNESS[result.kind]) result = own
  }
  return result ?? REFUSE
}
