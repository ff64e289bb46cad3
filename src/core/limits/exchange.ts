// What an authority does with one message and in which order: reports, expiries, attempts in flight, then what is wanted.
// The order matters: what a report gives back may be granted again at once, and a bucket refills only after what expired
// before was forgotten.
import { noteCrossings } from '../money/alert.ts'
import {
  type Authority,
  type GrantedLease,
  type Timing,
  expireDue,
  noteBlind,
  noteInFlight,
  noteOverdrawn,
  takeReport,
} from './authority.ts'
import { grant, patternsOf } from './grant.ts'
import type { LeaseDenial, LeaseGrant, LimiterCall, LimiterReply, SecretEnd } from './limits.ts'

/** What the authority has to say; the rest of a reply is the object's own. */
export type Answer = Omit<LimiterReply, 'acknowledged' | 'ttlMs'>

/** Takes in a holder's totals and lets go of what is due. Of a straggler, what was overdrawn then says nothing. Returns the
 *  leases that expired now. */
export function takeReports(
  authority: Authority,
  message: LimiterCall,
  isStraggler: boolean,
  time: Timing,
): readonly GrantedLease[] {
  for (const report of message.reports) {
    takeReport(authority, report, time)
    if (!isStraggler) noteOverdrawn(authority, report, time.nowMs)
  }
  return expireDue(authority, time.nowMs)
}

/** Answers the rest of a message. Of a straggler, overtaken by a later one, attempts and wants are not new. */
export function answer(authority: Authority, message: LimiterCall, isStraggler: boolean, time: Timing): Answer {
  const grants: LeaseGrant[] = []
  const denials: LeaseDenial[] = []
  if (!isStraggler) {
    for (const report of message.reports) noteBlind(authority, report)
    for (const { leaseId, reserved } of message.admissions) noteInFlight(authority, leaseId, reserved.nanoUsd)
    for (const want of message.wants) {
      const result = grant(authority, message.holder, want, time)
      if ('grant' in result) grants.push(result.grant)
      else denials.push({ leaseId: want.leaseId, patterns: patternsOf(authority, want.path), denial: result.denial })
    }
  }
  noteCrossings(authority, time.nowMs)
  const { revokedKeyIds, secretEnds } = authority.config
  const { unleasedKeyIds } = message
  const mentioned = [...message.reports.map(({ keyId }) => keyId), ...(unleasedKeyIds ?? [])]
  return {
    grants,
    denials,
    slotsLost: message.reports.flatMap(({ leaseId, isDone }) =>
      !isDone && (authority.leases.get(leaseId)?.slotsUntilMs ?? null) === null ? [leaseId] : [],
    ),
    closedLeases: message.reports.flatMap(({ leaseId, isDone }) =>
      !isDone && authority.leases.get(leaseId)?.isStale === true ? [leaseId] : [],
    ),
    revokedKeyIds: mentioned.filter((keyId) => revokedKeyIds.includes(keyId)),
    ...(secretEnds === undefined ? {} : endsOf(mentioned, secretEnds)),
    ...(unleasedKeyIds === undefined ? {} : { hasSeenUnleased: true }),
  }
}

/** What is told of keys' secrets. */
function endsOf(keyIds: readonly string[], ends: readonly SecretEnd[]): Pick<LimiterReply, 'secretEnds'> {
  const told = ends.filter(({ keyId }) => keyIds.includes(keyId))
  return told.length === 0 ? {} : { secretEnds: told }
}
