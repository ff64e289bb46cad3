// How the targets of a plan stand, for its explanation: broken or back, slow or not, with which credentials, and when a
// second attempt would be made. Credentials are counted here: their names are the operator's. One that can't be used is told
// with the reason, so that nobody has to call its provider to find out.
import type { Route, Target } from '../../core/directory.ts'
import type { Services } from '../../ports.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import type { ReadExchange } from '../exchange.ts'

/** How `targets` stand as this isolate sees them, in their order. */
export async function tellHealth({ services, facts }: ReadExchange<Speaker>, targets: readonly Target[]) {
  const { breakers, speeds, credentials } = services
  const shares = targets.length > 1 ? speeds.shares(targets, facts.model, facts.isStreamed) : null
  const problems = await Promise.all(targets.map((target) => problemOf(target, services)))
  return targets.map((target, index) => {
    const { state, retryAfterMs, share } = breakers.standing(target)
    const latencyShare = shares?.[index] ?? 1
    return {
      state,
      retry_after_ms: retryAfterMs,
      /** Of the traffic that the plan gives it: less while it comes back, or has become slow. */
      share: (share ?? (state === 'closed' ? 1 : 0)) * latencyShare,
      is_slow: latencyShare < 1,
      credential_problem: problems[index] ?? null,
      credentials: target.credentials === undefined ? null : counts(credentials.standing(target)),
      check: target.healthCheck ?? 'off',
    }
  })
}

/** Why a target can't be called for want of a credential; null where one of its credentials will do. */
async function problemOf(target: Target, { upstream }: Pick<Services, 'upstream'>): Promise<string | null> {
  let problem: string | null = null
  for (const credential of target.credentials ?? [target.credential]) {
    problem = (await upstream.objection?.({ ...target, credential })) ?? null
    if (problem === null) return null
  }
  return problem
}

function counts(standings: readonly { readonly state: 'ready' | 'resting' | 'disabled' }[]) {
  const of = (state: string): number => standings.filter((standing) => standing.state === state).length
  return { ready: of('ready'), resting: of('resting'), disabled: of('disabled') }
}

/** What a route does about lateness; of a second attempt also when it would be made now, null for none. */
export function tellLateness({ services, facts }: ReadExchange<Speaker>, route: Route, first: Target | undefined) {
  const { timeoutMs, hedge } = route
  const p95Ms = first === undefined ? null : services.speeds.p95Ms(first, facts.isStreamed)
  return {
    timeout_ms: timeoutMs ?? null,
    hedge:
      hedge === undefined
        ? null
        : { after_ms: hedge.afterMs, now_after_ms: hedge.afterMs === 'p95' ? p95Ms : hedge.afterMs },
  }
}
