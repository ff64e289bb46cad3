// Takes a member of a route out of traffic because the watch over it says so: its weight becomes 0, the route is published,
// and the audit log has it under the watch's own name.
import type { CanaryFinding } from '../../core/routing/canary.ts'
import { withoutMember } from '../../core/watched-members.ts'
import { announce } from '../publish/announce.ts'
import { type PublishEnv, publishRouting } from '../publish/publish.ts'
import { isWatched, readRouteChoice } from './route-choice.ts'
import { type RouteRow, changeRoute, commit, findRow } from '../store.ts'

const WHO = 'canary watch'
/** KV may be away for a moment, and nobody is there who would ask again. */
const PUBLISH_ATTEMPTS_MAX = 3
const PUBLISH_WAIT_MS = 1_000

/** Rolls a member back. Whether it did: a route that has changed since the finding is left as it is. */
export async function rollBack(env: PublishEnv, finding: CanaryFinding, nowMs: number): Promise<boolean> {
  const before = await findRow<RouteRow>(env.DB, 'routes', finding.routeId)
  if (before === null || before.watched_since_ms !== finding.sinceMs) return false
  const choice = withoutMember(readRouteChoice(before), finding.target)
  const row: RouteRow = {
    ...before,
    choice: JSON.stringify(choice),
    watched_since_ms: isWatched(choice) ? nowMs : null,
  }
  const committed = await commit(env.DB, changeRoute(env.DB, before, row), {
    who: WHO,
    reason: reasonOf(finding),
    requests: finding.all.requests,
    detail: detailOf(finding),
  })
  if (!committed.ok) return false
  for (let attempt = 1; (await announce(() => publishRouting(env))) !== null; attempt++) {
    if (attempt === PUBLISH_ATTEMPTS_MAX) break
    await scheduler.wait(PUBLISH_WAIT_MS)
  }
  console.warn(JSON.stringify({ event: 'canary-rolled-back', route: before.id, target: finding.target }))
  return true
}

function reasonOf({ target, own, ownErrorRate, othersErrorRate, all }: CanaryFinding): string {
  const rates = `${percent(ownErrorRate)} of ${own.requests} calls to ${target} failed, of the others' ${percent(othersErrorRate)}`
  return `${rates}; ${all.requests} requests were sent to it, and ${all.seen} got its failure as their answer`
}

function detailOf({ target, own, others, ownErrorRate, othersErrorRate, all }: CanaryFinding) {
  return {
    target,
    window: { requests: own.requests, failures: own.failures, error_rate: ownErrorRate },
    others: { requests: others.requests, failures: others.failures, error_rate: othersErrorRate },
    since_watched: { requests: all.requests, failures: all.failures, seen_by_clients: all.seen },
  }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
