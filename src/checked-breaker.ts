// The targets' shared breakers as the gateway runs them: those that know how to call a target. Here because objects know
// nothing but the core; what a check needs is loaded with the first one.
import { TargetBreaker as UncheckedBreaker } from '../durable-objects/target-breaker.ts'
import type { Outcome } from './core/breaker.ts'
import type { Target } from './core/directory.ts'

export class TargetBreaker extends UncheckedBreaker {
  protected override async check(target: Target): Promise<Outcome> {
    const { checkTarget } = await import('./platform/check-target.ts')
    return checkTarget(target, this.env)
  }
}
