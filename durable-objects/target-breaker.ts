// One per target: coordinates recovery over all isolates. Isolates trip on their own and ask here only while a target is
// in doubt; the one that is handed the probe tries it for all. The state machine is src/core/breaker.ts.
import { DurableObject } from 'cloudflare:workers'
import {
  type BreakerState,
  type Outcome,
  CLOSED,
  afterOutcome,
  openUntil,
  probing,
  verdict,
} from '../src/core/breaker.ts'
import type { GatewayEnv } from '../src/env.ts'

/** What an isolate may do about a target in doubt. */
export type Permit =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly untilMs: number }
  /** The caller is the one to probe, and has to say how it went by `report`. */
  | { readonly kind: 'probe' }

export class TargetBreaker extends DurableObject<GatewayEnv> {
  #state: BreakerState

  constructor(ctx: DurableObjectState, env: GatewayEnv) {
    super(ctx, env)
    this.#state = ctx.storage.kv.get<BreakerState>('state') ?? CLOSED
  }

  /** An isolate found the target broken and stopped calling it until `untilMs`. */
  async tripped(untilMs: number): Promise<void> {
    if (this.#state.state !== 'closed') return
    this.#keep(openUntil(untilMs, 1))
  }

  /** May this isolate call? At most one probe is out at any time; a probe not reported in time counts as failed. */
  async permit(): Promise<Permit> {
    const nowMs = Date.now()
    switch (verdict(this.#state, nowMs)) {
      case 'yes':
        return { kind: 'closed' }
      case 'probe':
        this.#keep(probing(this.#state, nowMs))
        return { kind: 'probe' }
      case 'no':
        return { kind: 'open', untilMs: this.#state.state === 'closed' ? nowMs : this.#state.untilMs }
    }
  }

  /** How the probe went. */
  async report(outcome: Outcome): Promise<Permit> {
    const nowMs = Date.now()
    if (this.#state.state === 'half-open') this.#keep(afterOutcome(this.#state, settled(outcome), nowMs, Math.random()))
    return this.#state.state === 'closed' ? { kind: 'closed' } : { kind: 'open', untilMs: this.#state.untilMs }
  }

  /** The probe was not tried after all: the next to ask may have it. */
  async withdraw(): Promise<void> {
    if (this.#state.state === 'half-open') this.#keep(openUntil(Date.now(), this.#state.openings))
  }

  #keep(state: BreakerState): void {
    this.#state = state
    this.ctx.storage.kv.put('state', state)
  }
}

/** A probe that was answered, even by a refusal of our request, has reached a living target. */
function settled(outcome: Outcome): Outcome {
  return outcome === 'ignored' ? 'success' : outcome
}
