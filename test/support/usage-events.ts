// A usage event to fill in: what it says doesn't matter to the test that uses it, its request id does.
import { type UsageEvent, USAGE_EVENT_VERSION } from '../../src/core/usage-event.ts'
import { NO_USAGE } from '../../src/core/usage.ts'

export function usageEvent(requestId: string, fields: Partial<UsageEvent> = {}): UsageEvent {
  return {
    v: USAGE_EVENT_VERSION,
    kind: 'cost',
    requestId,
    attempt: 1,
    startedAtMs: 0,
    tenantId: 't',
    teamId: null,
    keyId: 'k',
    costCenter: null,
    endUser: null,
    tags: [],
    traceId: null,
    protocol: 'chat',
    streamed: false,
    requestedModel: 'm',
    route: 'r',
    targetId: 'target',
    provider: 'p',
    model: 'm',
    status: 200,
    ending: 'finished',
    failure: null,
    cache: 'off',
    isFinal: true,
    usage: NO_USAGE,
    isEstimated: false,
    costNanoUsd: 0,
    savedNanoUsd: 0,
    priceVersion: null,
    isUnpriced: false,
    latencyMs: 0,
    ttftMs: null,
    credential: null,
    plan: null,
    ...fields,
  }
}
