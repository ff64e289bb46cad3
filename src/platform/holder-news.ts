// What rides along between an isolate and a tenant's limiter beside leases and events: which keys are revoked, what is switched
// off, what has to end by an operator's word, and what isolates have found out about targets. None of it costs a message.
import { HealthLink } from '../core/health/health-news.ts'
import type { LimiterCall, LimiterPath, LimiterReply } from '../core/limits/limits.ts'
import type { Refusal } from '../ports.ts'
import type { HolderPorts } from './holder-ports.ts'
import { KnownKeys } from './known-keys.ts'

type NewsPorts = Pick<HolderPorts, 'nowMs' | 'switches' | 'health'>

/** Why a request that waited is not to be admitted after all; null for no reason. */
export type WhyNot = (path: LimiterPath) => Refusal | null

export class HolderNews {
  readonly keys = new KnownKeys()
  readonly #ports: NewsPorts
  readonly #health: HealthLink | null
  /** Attempts that an operator wants to end. */
  #cancelled: readonly string[] = []

  constructor(ports: NewsPorts) {
    this.#ports = ports
    this.#health = ports.health === undefined ? null : new HealthLink(ports.health.board)
  }

  isCancelled(admissionId: string): boolean {
    return this.#cancelled.includes(admissionId)
  }

  /** What the next message says. */
  told(nowMs: number): Pick<LimiterCall, 'unleasedKeyIds' | 'switchesSeen' | 'health'> {
    const { switches, health } = this.#ports
    return {
      ...this.keys.told(),
      ...(switches === undefined ? {} : { switchesSeen: switches.revision }),
      ...(this.#health === null ? {} : { health: this.#health.talk(health?.region() ?? null, nowMs) }),
    }
  }

  /** Takes in what was answered to a message. */
  take(message: LimiterCall, reply: LimiterReply, sentAtMs: number, isLatest: boolean): void {
    if (reply.hasSeenUnleased === true) this.keys.heard(message.unleasedKeyIds ?? [], sentAtMs)
    this.#cancelled = reply.cancelled ?? []
    if (reply.switches !== undefined) this.#ports.switches?.take(reply.switches)
    if (isLatest) this.#health?.take(reply.health, this.#ports.nowMs())
  }

  /** Whether anything comes to light against a request that begins to wait now, to be sent to that target. */
  watch(targetId: string | null): WhyNot {
    const { switches, health } = this.#ports
    const heard = health?.board.serial ?? 0
    return (path) => {
      const what = switches?.ofCaller(path) ?? null
      if (what !== null) return { kind: 'switched-off', what }
      return targetId !== null && health?.board.hasNews(targetId, heard) === true ? { kind: 'target-news' } : null
    }
  }
}
