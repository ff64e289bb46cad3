// A region's object in the simulation: the real machine, driven as an object would drive it. It asks the tenant's limiter when it
// has too little, one call at a time, and renews ahead; events are acknowledged at once.
import type { AdmissionRecord, Denial, LeaseWant, LimiterCall, LimiterReply } from '../../src/core/limits/limits.ts'
import { LIMITS_VERSION } from '../../src/core/limits/limits.ts'
import {
  expireSubs,
  lackingIn,
  lend,
  newRegionalLimits,
  noteSubInFlight,
  takeIsolate,
  takeUpper,
  upperTalk,
} from '../../src/core/limits/regional-limits.ts'
import type { EventLoop } from './event-loop.ts'

export interface RegionalEndPorts {
  readonly loop: EventLoop
  readonly nowMs: () => number
  readonly send: (message: LimiterCall) => Promise<LimiterReply>
}

export interface RegionalEnd {
  call(message: LimiterCall): Promise<LimiterReply>
}

const TTL_MS = 20_000
const ROUNDS_MAX = 3
const RENEW_EVERY_MS = 500

export function regionalEnd(name: string, { loop, nowMs, send }: RegionalEndPorts): RegionalEnd {
  const region = newRegionalLimits(name)
  const numbers = new Map<string, number>()
  const inFlight = new Map<string, AdmissionRecord>()
  let messageCount = 0
  let lacking: LeaseWant[] = []
  let running: Promise<ReadonlyMap<string, Denial>> | null = null
  let next: Promise<ReadonlyMap<string, Denial>> | null = null

  function expire(): void {
    for (const { id } of expireSubs(region, nowMs())) {
      for (const [admission, { leaseId, reserved }] of inFlight) {
        if (leaseId !== id) continue
        inFlight.delete(admission)
        noteSubInFlight(region, id, reserved.nanoUsd)
      }
    }
  }

  async function exchange(): Promise<ReadonlyMap<string, Denial>> {
    const sentAtMs = nowMs()
    const { reports, wants } = upperTalk(region, lacking, sentAtMs)
    lacking = []
    if (reports.length === 0 && wants.length === 0) return new Map()
    messageCount += 1
    const head = { v: LIMITS_VERSION, tenantId: 't', holder: name, number: messageCount } as const
    try {
      return takeUpper(region, reports, await send({ ...head, reports, wants, admissions: [], chunks: [] }), sentAtMs)
    } catch {
      return new Map()
    }
  }

  /** Those who come while a call is under way share the one after it. */
  function ask(wants: readonly LeaseWant[]): Promise<ReadonlyMap<string, Denial>> {
    lacking.push(...wants)
    if (running === null) return begin()
    next ??= running.then(() => {
      next = null
      return begin()
    })
    return next
  }

  function begin(): Promise<ReadonlyMap<string, Denial>> {
    const run = exchange().finally(() => {
      if (running === run) running = null
    })
    running = run
    return run
  }

  const renew = (): void => {
    expire()
    if (running === null) void ask([])
    loop.after(RENEW_EVERY_MS, renew)
  }
  loop.after(RENEW_EVERY_MS, renew)

  return {
    async call(message) {
      const isStraggler = message.number <= (numbers.get(message.holder) ?? 0)
      numbers.set(message.holder, Math.max(message.number, numbers.get(message.holder) ?? 0))
      for (const { settles } of message.chunks) for (const id of settles) inFlight.delete(id)
      expire()
      takeIsolate(region, message, isStraggler, { nowMs: nowMs(), ttlMs: TTL_MS })
      if (!isStraggler) for (const record of message.admissions) inFlight.set(record.id, record)
      const wants = isStraggler ? [] : message.wants
      let denied: ReadonlyMap<string, Denial> = new Map()
      for (let round = 0; round < ROUNDS_MAX; round++) {
        const short = lackingIn(region, wants, nowMs())
        if (short.length === 0 || denied.size > 0) break
        denied = await ask(short)
      }
      const said = lend(region, { ...message, wants }, denied, { nowMs: nowMs(), ttlMs: TTL_MS })
      const acknowledged = Math.max(0, ...message.chunks.map(({ to }) => to))
      return { acknowledged, revokedKeyIds: [], ...said }
    },
  }
}
