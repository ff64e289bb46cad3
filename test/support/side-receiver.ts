// A side limiter's object without a platform: the real machine, driven in the order in which the object drives it, with all
// that it stores as text. It may let go of everybody after each message, as the object does, or of nobody.
import { type GrantedLease, expireDue, noteInFlight } from '../../src/core/limits/authority.ts'
import { answer, takeReports } from '../../src/core/limits/exchange.ts'
import type { AdmissionRecord, LimiterCall, LimiterReply } from '../../src/core/limits/limits.ts'
import {
  NO_SIDE_CONFIG,
  type OwnLimits,
  type SideAuthority,
  type SideConfig,
  type StoredOwner,
  bringIn,
  configureSide,
  letGo,
  newSideAuthority,
  takeChanged,
  writeOff,
} from '../../src/core/limits/side-limits.ts'
import { LIMITS_VERSION } from '../../src/core/limits/limits.ts'

interface Row {
  readonly state: string
  readonly restsAtMs: number | null
}

export interface SideReceiver {
  readonly side: SideAuthority
  /** What is stored of owners. */
  readonly rows: Map<string, Row>
  readonly inFlight: Map<string, AdmissionRecord>
  call(message: LimiterCall, nowMs: number): LimiterReply
  configure(config: SideConfig, nowMs: number): void
  expire(nowMs: number): void
  /** Forgets what has nothing to remember. */
  prune(nowMs: number): void
  /** Begins anew from what is stored; who was there lately is remembered all the same. */
  restart(nowMs: number): void
}

export function sideConfig(usual: readonly OwnLimits[], fields: Partial<SideConfig> = {}): SideConfig {
  return { ...NO_SIDE_CONFIG, v: LIMITS_VERSION, revision: 1, usual, ...fields }
}

export function sideReceiver(config: SideConfig, nowMs: number, letsGo = true, ttlMs = 30_000): SideReceiver {
  let side = newSideAuthority(NO_SIDE_CONFIG)
  const leases = new Map<string, string>()
  const rows = new Map<string, Row>()
  const inFlight = new Map<string, AdmissionRecord>()
  const holders = new Map<string, { acknowledged: number; number: number }>()

  function stored(ownerId: string): StoredOwner | null {
    const row = rows.get(ownerId)
    return row === undefined ? null : JSON.parse(row.state)
  }

  function bring(pathId: string, atMs: number): void {
    bringIn(side, pathId, stored, atMs)
  }

  function save(atMs: number): void {
    for (const { id, restsAtMs, ...stored } of takeChanged(side, atMs)) {
      if (stored.gauges.length === 0) rows.delete(id)
      else rows.set(id, { state: JSON.stringify(stored), restsAtMs })
    }
    for (const id of side.authority.dirty.leases) {
      const lease = side.authority.leases.get(id)
      if (lease === undefined) leases.delete(id)
      else leases.set(id, JSON.stringify(lease))
    }
    side.authority.dirty.leases.clear()
    if (letsGo) letGo(side)
  }

  function noteLost(expired: readonly GrantedLease[]): void {
    for (const lease of expired) {
      for (const [id, record] of inFlight) {
        if (record.leaseId !== lease.id) continue
        inFlight.delete(id)
        noteInFlight(side.authority, lease.id, record.reserved.nanoUsd)
      }
    }
  }

  const made: SideReceiver = {
    get side() {
      return side
    },
    rows,
    inFlight,
    configure(next, atMs) {
      configureSide(side, next, atMs)
      save(atMs)
    },
    expire(atMs) {
      noteLost(expireDue(side.authority, atMs))
      save(atMs)
    },
    prune(atMs) {
      writeOff(side, atMs - 86_400_000)
      save(atMs)
      for (const [id, { restsAtMs }] of rows) if (restsAtMs !== null && restsAtMs <= atMs) rows.delete(id)
    },
    restart(atMs) {
      const before = side
      side = newSideAuthority(before.config)
      for (const [id, atSeenMs] of before.authority.holders) side.authority.holders.set(id, atSeenMs)
      for (const text of leases.values()) {
        const lease: GrantedLease = JSON.parse(text)
        side.authority.leases.set(lease.id, lease)
        bring(lease.keyId, atMs)
      }
    },
    call(message, atMs) {
      const holder = holders.get(message.holder) ?? { acknowledged: 0, number: 0 }
      holders.set(message.holder, holder)
      const isStraggler = message.number <= holder.number
      const time = { nowMs: atMs, ttlMs }
      for (const { path } of message.wants) bring(path.keyId, atMs)
      for (const chunk of message.chunks) {
        if (chunk.to <= holder.acknowledged) continue
        for (const id of chunk.settles) inFlight.delete(id)
        holder.acknowledged = chunk.to
      }
      noteLost(takeReports(side.authority, message, isStraggler, time))
      if (!isStraggler) for (const record of message.admissions) inFlight.set(record.id, record)
      holder.number = Math.max(holder.number, message.number)
      const said = answer(side.authority, message, isStraggler, time)
      save(atMs)
      return { acknowledged: holder.acknowledged, ttlMs, ...said }
    },
  }
  made.configure(config, nowMs)
  return made
}
