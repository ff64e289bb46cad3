// Tells a tenant's limiter what its keys have spent this month, as an isolate does: a lease that covers it, and the report of
// what was used. The ledger has the events already; what goes there with it is a correction of nothing.
import type { LimiterCall, LimiterReply } from '../../core/limits/limits.ts'
import { NO_USAGE } from '../../core/money/usage.ts'
import { USAGE_EVENT_VERSION, type UsageEvent } from '../../core/money/usage-event.ts'
import { LeaseHolder } from '../../platform/lease-holder.ts'
import { isAdmitted } from '../../ports.ts'
import type { RunningSystem } from '../system.ts'
import { DEMO_TARGETS, type DemoTarget } from './cast.ts'
import type { DemoIds } from './traffic.ts'

interface Callable {
  call(message: LimiterCall): Promise<LimiterReply>
}

function isCallable(stub: object): stub is Callable {
  return 'call' in stub
}

/** Spends for each key what the map says, as far as its budgets go. */
export async function pushSpending(
  { mf }: RunningSystem,
  ids: DemoIds,
  spent: ReadonlyMap<string, number>,
  nowMs: number,
): Promise<void> {
  const limiters = await mf.getDurableObjectNamespace('TENANT_LIMITER', 'tidegate')
  const stub: object = limiters.get(limiters.idFromName(ids.tenantId))
  if (!isCallable(stub)) throw new Error('the limiter of the demo can not be called')
  // A holder of its own for each: what one holds goes back when it has been idle for some seconds, and all wait together.
  await Promise.all(
    [...ids.keys.values()].map(async ({ keyId, teamId, spentOn }, at) => {
      const nanoUsd = spent.get(keyId) ?? 0
      if (nanoUsd === 0) return
      const holder = new LeaseHolder(ids.tenantId, `demo-${at}`, {
        send: (message) => stub.call(message),
        nowMs: () => Date.now(),
        sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
        onRevoked: () => undefined,
      })
      const work: Promise<void>[] = []
      const later = (one: Promise<void>): void => void work.push(one)
      const amounts = { requests: 1, inputTokens: 0, outputTokens: 0, slots: 0, nanoUsd }
      const owner = { tenantId: ids.tenantId, teamId, keyId }
      const event = correction(`demo-${ids.tenantId}-${at}`, owner, nowMs, spentOn)
      // A budget that is used up takes what it has.
      const admitted = await holder.admit({ ...owner, model: 'demo-chat' }, amounts, event, later, 0)
      if (isAdmitted(admitted)) admitted.settle(admitted.amounts, event, later)
      while (work.length > 0) await work.shift()
    }),
  )
}

function correction(
  requestId: string,
  owner: { readonly tenantId: string; readonly teamId: string; readonly keyId: string },
  nowMs: number,
  target: DemoTarget,
): UsageEvent {
  // Beside what the key has spent already, where reports show nothing of it.
  const { provider, model } = DEMO_TARGETS[target]
  return {
    ...{ v: USAGE_EVENT_VERSION, kind: 'adj', requestId, attempt: 0, startedAtMs: nowMs, ...owner },
    ...{ costCenter: null, endUser: null, tags: [], traceId: null, protocol: 'chat', streamed: false },
    ...{ requestedModel: '', route: '', targetId: target, provider, model, status: 200, ending: 'finished' },
    ...{ failure: null, cache: 'off', isFinal: false, usage: NO_USAGE, isEstimated: false, costNanoUsd: 0 },
    ...{ savedNanoUsd: 0, priceVersion: null, latencyMs: 0, ttftMs: null },
  }
}
