// One per target: coordinates recovery over all isolates. Isolates trip on their own and ask here only while a target is
// in doubt; the one that is handed the probe tries it for all, and how fast the traffic comes back is decided here. A target
// that wants to be checked is, by alarm, while it has traffic. What isolates measure of its speed is averaged here, too. The
// state machine is src/core/health/breaker.ts.
import { DurableObject } from 'cloudflare:workers'
import {
  type BreakerState,
  type Outcome,
  CLOSED,
  advanced,
  afterOutcome,
  probing,
  trippedAt,
  verdict,
} from '../src/core/health/breaker.ts'
import type { Target } from '../src/core/directory.ts'
import { late } from '../src/core/late.ts'
import {
  type Dated,
  type Permit,
  type Told,
  afterQuestion,
  afterReport,
  afterTrip,
  afterWithdrawal,
  isChange,
  nextEpoch,
  toldOf,
} from '../src/core/health/shared-breaker.ts'
import type { Paces, SpeedPool, SpeedWord } from '../src/core/health/speed-pool.ts'
import type { GatewayEnv } from '../src/env.ts'

interface Watched {
  readonly target: Target
  readonly trafficAtMs: number
}

/** As it is stored; without an epoch by an earlier version. */
type Kept = BreakerState & { readonly epoch?: number }

/** How often a target is checked, with a tenth of jitter. */
const CHECK_MS = 30_000
/** Checks end when there was no traffic for so long. */
const TRAFFIC_MS = 600_000
/** How exactly it is kept when there was traffic: each writing costs. */
const TRAFFIC_KEPT_MS = 60_000

/** Most targets are nobody's choice by speed. */
const pooling = late(() => import('../src/core/health/speed-pool.ts'))

export class TargetBreaker extends DurableObject<GatewayEnv> {
  #state: BreakerState
  /** Since when isolates are told what they are. */
  #epoch: number
  #watched: Watched | null
  /** Kept in memory alone: it is known anew with the next answers. */
  #speeds: SpeedPool | null = null

  constructor(ctx: DurableObjectState, env: GatewayEnv) {
    super(ctx, env)
    const { epoch = 0, ...state }: Kept = ctx.storage.kv.get<Kept>('breaker') ?? CLOSED
    this.#state = state
    this.#epoch = epoch
    this.#watched = ctx.storage.kv.get<Watched>('watched') ?? null
  }

  /** An isolate found the target broken and stopped calling it until `untilMs`. Returns how it stands for all. */
  async tripped(untilMs: number): Promise<Dated<Told>> {
    this.#keep(afterTrip(this.#state, untilMs, Date.now()))
    return this.#told(Date.now())
  }

  /** May this isolate call? At most one probe is out at any time; a probe not reported in time counts as failed. */
  async permit(): Promise<Dated<Permit>> {
    const { state, permit } = afterQuestion(this.#state, Date.now())
    this.#keep(state)
    return { ...permit, epoch: this.#epoch }
  }

  /** How the probe went. */
  async report(outcome: Outcome): Promise<Dated<Told>> {
    this.#keep(afterReport(this.#state, outcome, Date.now(), Math.random()))
    return this.#told(Date.now())
  }

  /** The probe was not tried after all: the next to ask may have it. */
  async withdraw(): Promise<void> {
    this.#keep(afterWithdrawal(this.#state, Date.now()))
  }

  /** An isolate has traffic for the target, which wants to be checked. Returns how it stands. */
  async watch(target: Target): Promise<Dated<Told>> {
    const nowMs = Date.now()
    const known = this.#watched
    const isKnown = known !== null && nowMs - known.trafficAtMs < TRAFFIC_KEPT_MS
    if (!isKnown || JSON.stringify(known.target) !== JSON.stringify(target)) {
      this.#watched = { target, trafficAtMs: nowMs }
      this.ctx.storage.kv.put('watched', this.#watched)
    }
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(nowMs + jittered(CHECK_MS))
    return this.#told(nowMs)
  }

  /** What an isolate measured of a model's answers since it last told, null for nothing. Returns what all know. Where nobody knows
   *  anything, one isolate is sent to find out. */
  async speed(model: string, told: Paces | null): Promise<SpeedWord> {
    const { SpeedPool: Made } = pooling.now() ?? (await pooling.load())
    this.#speeds ??= new Made()
    return this.#speeds.hear(model, told, Date.now())
  }

  /** Checks the target and sets the next alarm. Never throws: an alarm that keeps failing would be given up. */
  override async alarm(): Promise<void> {
    try {
      const watched = this.#watched
      if (watched === null || Date.now() - watched.trafficAtMs > TRAFFIC_MS) {
        this.#watched = null
        this.ctx.storage.kv.delete('watched')
        return
      }
      await this.#checkNow(watched.target)
    } catch (error) {
      console.warn(JSON.stringify({ level: 'warn', event: 'check-failed', error: String(error) }))
    } finally {
      await this.#setNextAlarm()
    }
  }

  /** How a call shows that `target` is. The gateway's entry knows how to make one; this alone knows nothing. */
  protected async check(target: Target): Promise<Outcome> {
    void target
    return 'ignored'
  }

  async #checkNow(target: Target): Promise<void> {
    const nowMs = Date.now()
    const before = advanced(this.#state, nowMs)
    const is = verdict(before, nowMs)
    if (is === 'no') return
    this.#keep(is === 'probe' ? probing(before, nowMs) : before)
    const outcome = await this.check(target)
    // Isolates may have reported meanwhile.
    if (is === 'yes') return this.#confirm(target, outcome)
    if (is === 'probe') await this.report(outcome)
    else if (this.#state.state === 'ramping') this.#keep(afterOutcome(this.#state, outcome, Date.now(), Math.random()))
  }

  /** One failed check may be chance; two are not. */
  async #confirm(target: Target, outcome: Outcome): Promise<void> {
    if (typeof outcome === 'string' || typeof (await this.check(target)) === 'string') return
    if (this.#state.state === 'closed') this.#keep(trippedAt(this.#state, Date.now(), Math.random()))
  }

  async #setNextAlarm(): Promise<void> {
    try {
      if (this.#watched === null) return
      const nowMs = Date.now()
      const dueMs = this.#state.state === 'open' ? Math.max(this.#state.untilMs, nowMs) + 1 : Infinity
      await this.ctx.storage.setAlarm(Math.min(nowMs + jittered(CHECK_MS), dueMs))
    } catch (error) {
      // The next isolate with traffic sets it.
      console.warn(JSON.stringify({ level: 'warn', event: 'alarm-not-set', error: String(error) }))
    }
  }

  #told(nowMs: number): Dated<Told> {
    this.#keep(advanced(this.#state, nowMs))
    return { ...toldOf(this.#state, nowMs), epoch: this.#epoch }
  }

  /** Hears of every change, after it. */
  protected noted(before: BreakerState, after: BreakerState): void {
    void [before, after]
  }

  #keep(state: BreakerState): void {
    if (state === this.#state) return
    const before = this.#state
    this.#state = state
    if (isChange(before, state)) this.#epoch = nextEpoch(this.#epoch, Date.now())
    this.ctx.storage.kv.put('breaker', { ...state, epoch: this.#epoch })
    this.noted(before, state)
  }
}

function jittered(ms: number): number {
  return Math.round(ms * (0.9 + 0.2 * Math.random()))
}
