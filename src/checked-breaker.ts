// The targets' shared breakers as the gateway runs them: those that know how to call a target, and that note in the database
// how they stand, for whoever looks. Here because objects know nothing but the core; what either needs is loaded with the
// first one.
import { TargetBreaker as UncheckedBreaker } from '../durable-objects/target-breaker.ts'
import type { BreakerState, Outcome } from './core/health/breaker.ts'
import type { Target } from './core/directory.ts'

export class TargetBreaker extends UncheckedBreaker {
  protected override async check(target: Target): Promise<Outcome> {
    const { checkTarget } = await import('./platform/check-target.ts')
    return checkTarget(target, this.env)
  }

  /** A probe that is out changes nothing for whoever looks. Nothing waits for the note, and nothing fails with it. */
  protected override noted(before: BreakerState, after: BreakerState): void {
    const [was, is] = [standing(before), standing(after)]
    if (was === is) return
    const note = { name: this.#name(), state: is, hasOpened: is === 'open', atMs: Date.now() }
    const noting = async (): Promise<void> => {
      const { noteBreaker } = await import('./ledger/breaker-states.ts')
      await noteBreaker(this.env.DB, note)
      const { tellListeners } = await import('./control-plane/live/tell-listeners.ts')
      await tellListeners(this.env, [{ kind: 'health', of: 'deployment' }])
    }
    this.ctx.waitUntil(
      noting().catch((error: unknown) => {
        console.warn(JSON.stringify({ level: 'warn', event: 'breaker-not-noted', error: String(error) }))
      }),
    )
  }

  /** The object's own name isn't told to its alarms, so it is kept. */
  #name(): string {
    const { kv } = this.ctx.storage
    const kept = kv.get<string>('name')
    const name = this.ctx.id.name ?? kept ?? ''
    if (name !== '' && name !== kept) kv.put('name', name)
    return name
  }
}

function standing({ state }: BreakerState): 'closed' | 'ramping' | 'open' {
  return state === 'half-open' ? 'open' : state
}
