// What becomes of attempts whose isolate died: they are booked at what was reserved, as an estimate, and corrected if
// their true event arrives after all. Both travel as ordinary usage events, so sums stay exact.
import { type UsageEvent, packEvent, unpackOwnEvent } from '../money/usage-event.ts'
import { type Usage, addUnits } from '../money/usage.ts'

/** An admission as it was recorded before its attempt was settled. */
export interface OpenAdmission {
  /** `<request id>#<attempt>` */
  readonly id: string
  /** Under which it was admitted; missing where it was booked by an earlier version. */
  readonly leaseId?: string
  readonly reservedNanoUsd: number
  /** JSON text of its usage event as it stood at admission. */
  readonly event: string
  readonly bookedAtMs: number | null
}

/** JSON array text of the packed events that book `admissions` as lost: charged at their reservations, marked as estimates. */
export function lost(admissions: readonly OpenAdmission[], nowMs: number): string {
  return `[${admissions.map((admission) => packEvent(bookedEvent(admission, nowMs))).join(',')}]`
}

/** The same events, with those of `booked` attempts turned into corrections of what was booked. */
export function adjusted(events: string, booked: readonly OpenAdmission[]): string {
  const byId = new Map(booked.map((admission) => [admission.id, admission]))
  const list: readonly UsageEvent[] = JSON.parse(events)
  const corrected = list.map(unpackOwnEvent).map((event) => {
    const admission = byId.get(`${event.requestId}#${event.attempt}`)
    return admission === undefined ? event : correction(event, bookedEvent(admission, admission.bookedAtMs ?? 0))
  })
  return `[${corrected.map(packEvent).join(',')}]`
}

function bookedEvent(admission: OpenAdmission, nowMs: number): UsageEvent {
  const event = unpackOwnEvent(JSON.parse(admission.event))
  return {
    ...event,
    ending: 'lost',
    isEstimated: true,
    costNanoUsd: admission.reservedNanoUsd,
    latencyMs: Math.max(0, nowMs - event.startedAtMs),
  }
}

function correction(event: UsageEvent, before: UsageEvent): UsageEvent {
  const { usage: now } = event
  const { usage: then } = before
  const usage: Usage = {
    input: now.input - then.input,
    cacheRead: now.cacheRead - then.cacheRead,
    cacheWrite: now.cacheWrite - then.cacheWrite,
    cacheWriteLong: now.cacheWriteLong - then.cacheWriteLong,
    output: now.output - then.output,
    reasoning: now.reasoning - then.reasoning,
    audioInput: now.audioInput - then.audioInput,
    audioOutput: now.audioOutput - then.audioOutput,
    ...(now.tier === undefined ? {} : { tier: now.tier }),
    ...(now.units === undefined && then.units === undefined
      ? {}
      : { units: addUnits(now.units ?? {}, then.units ?? {}, -1) }),
  }
  return { ...event, kind: 'adj', usage, costNanoUsd: event.costNanoUsd - before.costNanoUsd }
}
